//! How does an example's picture get into a page? As a PNG in a data URI: the page stays one file.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
/// Eight bits per channel, red, green and blue.
const FORM: [u8; 5] = [8, 2, 0, 0, 0];

/// A PNG of red, green and blue, row by row; none of a picture without a pixel.
pub fn png(pixels: &[[u8; 3]], width: usize) -> Option<Vec<u8>> {
    let height = pixels.len().checked_div(width).filter(|height| *height > 0)?;
    let sides = [u32::try_from(width).ok()?, u32::try_from(height).ok()?];
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
    for row in pixels.chunks_exact(width) {
        // In front of each row: no filter.
        packed.write_all(&[0]).ok()?;
        packed.write_all(row.as_flattened()).ok()?;
    }
    let mut bytes = SIGNATURE.to_vec();
    chunk(&mut bytes, *b"IHDR", &[sides.map(u32::to_be_bytes).as_flattened(), &FORM].concat());
    chunk(&mut bytes, *b"IDAT", &packed.finish().ok()?);
    chunk(&mut bytes, *b"IEND", &[]);
    Some(bytes)
}

fn chunk(bytes: &mut Vec<u8>, name: [u8; 4], content: &[u8]) {
    bytes.extend((content.len() as u32).to_be_bytes());
    let start = bytes.len();
    bytes.extend(name);
    bytes.extend(content);
    let mut sum = flate2::Crc::new();
    sum.update(bytes.get(start..).unwrap_or_default());
    bytes.extend(sum.sum().to_be_bytes());
}

/// A PNG as a data URI.
pub fn uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", base64(png))
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let number =
            three.iter().chain([0, 0].iter()).take(3).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        for place in 0..4 {
            let letter = LETTERS.get((number >> (18 - 6 * place)) as usize & 63).copied().unwrap_or(b'=');
            text.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_that_of_the_rfc() {
        let cases =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
        for (text, expected) in cases {
            assert_eq!(base64(text.as_bytes()), expected);
        }
        assert_eq!(base64(&[255, 254, 253]), "//79");
    }

    #[cfg(feature = "hub")]
    #[test]
    fn a_picture_reads_back_pixel_by_pixel() {
        let pixels: Vec<[u8; 3]> = (0..15_u8).map(|at| [at, 255 - at, 7 * at]).collect();
        let bytes = png(&pixels, 5).unwrap();
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut read = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut read).unwrap();
        assert_eq!((info.width, info.height), (5, 3));
        assert_eq!(read, pixels.as_flattened());
        assert!(png(&[], 5).is_none() && png(&pixels, 0).is_none());
    }
}
