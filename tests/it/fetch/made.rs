//! Small sets with their own digests, their official files, and the parquet files that a hub would keep of them.

use std::sync::Arc;

use diffscope::data::ImageShape;
use diffscope::data::official::{Format, HubCopy, OfficialFile, Part, Set, md5_hex};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// One row on the hub.
#[derive(Clone)]
pub struct Row {
    /// The image as a PNG; none for a row that lacks it.
    pub png: Option<Vec<u8>>,
    /// A label for each label column.
    pub labels: Vec<i64>,
}

/// A set, what its official files hold, and what the hub keeps of both parts.
pub struct Made {
    pub set: &'static Set,
    pub files: Vec<(&'static str, Vec<u8>)>,
    pub train: Vec<Row>,
    pub test: Vec<Row>,
}

impl Made {
    /// The hub's files of the set, with these rows, at the place where its owners keep them.
    pub fn on_hub(&self, train: &[Row], test: &[Row]) -> Vec<(String, Vec<u8>)> {
        let parts = [("train", train), ("test", test)];
        parts.map(|(split, rows)| (self.place(split), parquet(self.set, rows))).to_vec()
    }

    pub fn place(&self, split: &str) -> String {
        let hub = &self.set.hub;
        format!("datasets/{}/resolve/main/{}/{split}-00000-of-00001.parquet", hub.repository, hub.config)
    }
}

/// The PNG of an image whose pixels are interleaved.
pub fn png(shape: ImageShape, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, shape.width as u32, shape.height as u32);
    encoder.set_color(if shape.channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    bytes
}

/// Rows as the hub keeps them: snappy, optional columns, several row groups.
pub fn parquet(set: &Set, rows: &[Row]) -> Vec<u8> {
    let labels = format!("optional int64 {};", set.hub.labels.join("; optional int64 "));
    let image = set.hub.image;
    let schema = format!(
        "message schema {{ optional group {image} {{ optional binary bytes; optional binary path (UTF8); }} {labels} }}"
    );
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut bytes = Vec::new();
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    for rows in rows.chunks((rows.len() / 2).max(7)) {
        let mut group = writer.next_row_group().unwrap();
        let levels: Vec<i16> = rows.iter().map(|row| if row.png.is_some() { 2 } else { 1 }).collect();
        let images: Vec<ByteArray> = rows.iter().filter_map(|row| row.png.clone()).map(ByteArray::from).collect();
        for values in [images, Vec::new()] {
            let levels = if values.is_empty() { vec![1; rows.len()] } else { levels.clone() };
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
            column.close().unwrap();
        }
        for label in 0..set.hub.labels.len() {
            let values: Vec<i64> = rows.iter().map(|row| row.labels[label]).collect();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int64Type>().write_batch(&values, Some(&vec![1; rows.len()]), None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

fn file(name: &'static str, bytes: &[u8]) -> OfficialFile {
    OfficialFile { name, md5: Some(md5_hex(bytes).leak()) }
}

fn leak<T>(values: Vec<T>) -> &'static [T] {
    values.leak()
}

/// 30 + 20 real images of Fashion-MNIST under MNIST's names.
pub fn fashion() -> Made {
    let shape = ImageShape { channels: 1, height: 28, width: 28 };
    let real = diffscope::data::embedded::dataset().unwrap();
    let part = |from: usize, count: usize| {
        let places = from..from + count;
        let pixels: Vec<u8> = places.clone().flat_map(|place| real.image(place).to_vec()).collect();
        let header = [[0, 0, 8, 3], (count as u32).to_be_bytes(), 28_u32.to_be_bytes(), 28_u32.to_be_bytes()].concat();
        let labels: Vec<u8> = real.labels[places.clone()].iter().map(|label| *label as u8).collect();
        let rows = places
            .map(|place| Row { png: Some(png(shape, real.image(place))), labels: vec![i64::from(real.labels[place])] });
        let images = [header, pixels].concat();
        let labels = [vec![0, 0, 8, 1], (count as u32).to_be_bytes().to_vec(), labels].concat();
        (images, labels, rows.collect::<Vec<_>>())
    };
    let (train_images, train_labels, train) = part(0, 30);
    let (test_images, test_labels, test) = part(4000, 20);
    let files = |images: &[u8], labels: &[u8], start: [&'static str; 2]| {
        leak(vec![file(start[0], images), file(start[1], labels)])
    };
    let set = Set {
        source: "fashion-mnist",
        folder: "fashion-mnist",
        shape,
        licence: "MIT",
        format: Format::Idx,
        labels: &[10],
        train: Part {
            examples: 30,
            files: files(&train_images, &train_labels, ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"]),
        },
        test: Part {
            examples: 20,
            files: files(&test_images, &test_labels, ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]),
        },
        names: &[],
        moments: None,
        hub: HubCopy { repository: "made/fashion", config: "fashion", image: "image", labels: &["label"] },
    };
    let names = set.file_names().collect::<Vec<_>>();
    let files = names.into_iter().zip([train_images, train_labels, test_images, test_labels]).collect();
    Made { set: Box::leak(Box::new(set)), files, train, test }
}

/// The pixel of a made colour image: no two places of an image and no two of its turns are alike.
pub fn pixel(example: usize, channel: usize, row: usize, column: usize) -> u8 {
    (example * 7 + channel * 85 + row * 3 + usize::from(column > row) * 40 + usize::from(column == 5)) as u8
}

/// A record of CIFAR's format, and the row of it.
fn example(shape: ImageShape, index: usize, labels: &[u8]) -> (Vec<u8>, Row) {
    let at = |channel, place: usize| pixel(index, channel, place / shape.width, place % shape.width);
    let plane = shape.height * shape.width;
    let planes = (0..3).flat_map(|channel| (0..plane).map(move |place| at(channel, place)));
    let interleaved: Vec<u8> = (0..plane).flat_map(|place| (0..3).map(move |channel| at(channel, place))).collect();
    let row =
        Row { png: Some(png(shape, &interleaved)), labels: labels.iter().map(|label| i64::from(*label)).collect() };
    (labels.iter().copied().chain(planes).collect(), row)
}

const COLOUR: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };
const BATCHES: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];

/// 5 batches of 4 colour images and a test batch, under CIFAR-10's names; on the hub the batches lie in another order.
pub fn batches() -> Made {
    let examples = |from: usize| (from..from + 4).map(|index| example(COLOUR, index, &[(index % 10) as u8]));
    let batch = |from: usize| examples(from).map(|(record, _)| record).collect::<Vec<_>>().concat();
    let rows = |from: usize| examples(from).map(|(_, row)| row);
    let contents: Vec<Vec<u8>> = (0..6).map(|index| batch(4 * index)).collect();
    let train = BATCHES.iter().zip(&contents).map(|(name, bytes)| file(name, bytes)).collect();
    let names: &[&str] = &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    let set = Set {
        source: "cifar10",
        folder: "cifar-10-batches-bin",
        shape: COLOUR,
        licence: "none stated",
        format: Format::Records,
        labels: &[10],
        train: Part { examples: 20, files: leak(train) },
        test: Part { examples: 4, files: leak(vec![file("test_batch.bin", &contents[5])]) },
        names: leak(vec![("batches.meta.txt", names)]),
        moments: None,
        hub: HubCopy { repository: "made/batches", config: "plain_text", image: "img", labels: &["label"] },
    };
    let text = format!("{}\n", names.join("\n")).into_bytes();
    let files = set.file_names().collect::<Vec<_>>().into_iter().zip(contents.into_iter().chain([text])).collect();
    let train = [3, 2, 1, 4, 0].into_iter().flat_map(|index| rows(4 * index)).collect();
    Made { set: Box::leak(Box::new(set)), files, train, test: rows(20).collect() }
}

/// 8 + 4 colour images in 4 classes of 2 superclasses, without any digest.
pub fn undigested() -> Made {
    let shape = ImageShape { channels: 3, height: 8, width: 8 };
    let examples = |from: usize, count| {
        (from..from + count).map(move |index| example(shape, index, &[(index % 4 / 2) as u8, (index % 4) as u8]))
    };
    let records = |from, count| examples(from, count).map(|(record, _)| record).collect::<Vec<_>>().concat();
    let (train, test) = (records(0, 8), records(8, 4));
    let pixels: Vec<u8> = train.chunks_exact(2 + shape.len()).flat_map(|record| record[2..].to_vec()).collect();
    let moments = diffscope::data::Normalisation::of(&pixels, shape);
    let moments = [moments.mean, moments.std].map(|values| leak(values.into_iter().map(f64::from).collect()));
    let set = Set {
        source: "cifar100",
        folder: "cifar-100-binary",
        shape,
        licence: "none stated",
        format: Format::Records,
        labels: &[2, 4],
        train: Part { examples: 8, files: &[OfficialFile { name: "train.bin", md5: None }] },
        test: Part { examples: 4, files: &[OfficialFile { name: "test.bin", md5: None }] },
        names: &[("coarse_label_names.txt", &["a", "b"]), ("fine_label_names.txt", &["c", "d", "e", "f"])],
        moments: Some(moments),
        hub: HubCopy { repository: "made/fine", config: "fine", image: "img", labels: &["coarse_label", "fine_label"] },
    };
    let text = |lines: &str| lines.as_bytes().to_vec();
    let files = vec![
        ("train.bin", train),
        ("test.bin", test),
        ("coarse_label_names.txt", text("a\nb\n")),
        ("fine_label_names.txt", text("c\nd\ne\nf\n")),
    ];
    let rows = |from, count| examples(from, count).map(|(_, row)| row).collect();
    Made { set: Box::leak(Box::new(set)), files, train: rows(0, 8), test: rows(8, 4) }
}
