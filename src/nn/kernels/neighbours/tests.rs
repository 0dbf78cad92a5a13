//! Neighbours against a search by definition in f64, in every division into blocks.

use super::*;
use crate::nn::{CpuKernels, InstructionSet};
use crate::random::Key;

/// Neighbours of every example by definition, in f64, sorted by distance and number.
fn brute(embeddings: &[f32], job: Job) -> Vec<Vec<u32>> {
    let rows: Vec<&[f32]> = embeddings.chunks_exact(job.features).collect();
    let distance =
        |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
    let nearest = |own: usize| {
        let mut others: Vec<(f64, u32)> = (0..job.references)
            .filter(|other| *other != own || !job.leave_one_out)
            .map(|other| (distance(rows[own], rows[other]), other as u32))
            .collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        others.into_iter().take(job.k).map(|(_, index)| index).collect()
    };
    (0..job.examples()).map(nearest).collect()
}

fn numbers<R: Real>(search: &Search<CpuKernels<R>>) -> Vec<Vec<u32>> {
    search.neighbours().map(|found| found.iter().map(|(_, index)| *index).collect()).collect()
}

/// Whole numbers: many equal distances, and none that rounding could disturb.
fn whole(count: usize) -> Vec<f32> {
    let mut stream = Key::study(2).stream("embeddings");
    (0..count).map(|_| stream.below(5) as f32).collect()
}

fn job(references: usize, queries: usize, features: usize, k: usize) -> Job {
    Job { features, references, queries, k, among: true, leave_one_out: true }
}

#[test]
fn the_nearest_are_those_of_a_search_by_definition_on_every_instruction_set() {
    for job in [
        job(1, 0, 3, 2),
        job(5, 0, 40, 30),
        job(700, 90, 33, 30),
        job(530, 600, 7, 5),
        Job { leave_one_out: false, ..job(600, 10, 20, 3) },
        job(1100, 0, 17, 5),
    ] {
        let embeddings = whole(job.examples() * job.features);
        let expected = brute(&embeddings, job);
        for set in InstructionSet::available() {
            let found = search(&mut CpuKernels::with(set), job, &embeddings).unwrap();
            assert!(numbers(&found) == expected, "{job:?}, {set:?}");
        }
    }
}

/// The same search, cut as it would be for embeddings that don't fit.
fn in_blocks(job: Job, embeddings: &[f32], blocks: Blocks) -> Vec<Vec<u32>> {
    let mut kernels = CpuKernels::new();
    let at = |range: Range<usize>| &embeddings[range.start * job.features..range.end * job.features];
    let mut search = Search::new(&mut kernels, job, at(0..3)).unwrap();
    let mut obey = || Ok::<(), Error>(());
    for block in cut(0..job.references, blocks.held) {
        search.begin(block.start);
        for part in cut(block.clone(), blocks.tile) {
            search.hold(&mut kernels, at(part), &mut obey).unwrap();
        }
        for part in job.passing(&block, blocks.tile) {
            search.pass(&mut kernels, part.start, at(part), &mut obey).unwrap();
        }
    }
    numbers(&search)
}

#[test]
fn blocks_of_any_size_find_the_same() {
    for features in [5, 24] {
        let job = job(620, 77, features, 9);
        let embeddings = whole(job.examples() * features);
        let expected = brute(&embeddings, job);
        for (held, tile) in [(620, 480), (620, 50), (300, 100), (207, 64), (97, 97), (1, 3)] {
            assert!(in_blocks(job, &embeddings, Blocks { held, tile }) == expected, "{held} held, {tile} pass");
        }
    }
}

#[test]
fn queries_alone_find_the_same() {
    let both = job(300, 70, 30, 4);
    let embeddings = whole(both.examples() * 30);
    let alone = search(&mut CpuKernels::<f32>::new(), Job { among: false, ..both }, &embeddings).unwrap();
    let found = numbers(&alone);
    assert!(found[..300].iter().all(Vec::is_empty) && found[300..] == brute(&embeddings, both)[300..]);
}

#[test]
fn neighbours_far_from_the_origin_are_found_all_the_same() {
    let job = job(400, 20, 50, 10);
    let mut stream = Key::study(4).stream("far");
    let embeddings: Vec<f32> = (0..job.examples() * 50).map(|_| 300.0 + stream.normal() as f32).collect();
    let found = search(&mut CpuKernels::<f32>::new(), job, &embeddings).unwrap();
    assert!(numbers(&found) == brute(&embeddings, job));
}

#[test]
fn crowded_softmax_outputs_keep_their_order() {
    let job = job(300, 30, 10, 7);
    let mut stream = Key::study(6).stream("corners");
    let embeddings: Vec<f32> = (0..job.examples())
        .flat_map(|example| {
            let rest: Vec<f32> = (0..10).map(|_| (1e-4 * stream.uniform()) as f32).collect();
            let sum: f32 = rest.iter().sum();
            (0..10).map(move |class| if class == example % 10 { 1.0 - sum } else { rest[class] }).collect::<Vec<_>>()
        })
        .collect();
    let found = search(&mut CpuKernels::<f32>::new(), job, &embeddings).unwrap();
    assert!(numbers(&found) == brute(&embeddings, job));
}

#[test]
fn what_is_no_number_is_nobodys_neighbour_and_an_interruption_ends_the_search() {
    let job = job(40, 0, 20, 50);
    let mut embeddings = whole(40 * 20);
    embeddings[3 * 20 + 7] = f32::NAN;
    let found = search(&mut CpuKernels::<f32>::new(), job, &embeddings).unwrap();
    for (own, neighbours) in numbers(&found).iter().enumerate() {
        assert_eq!(neighbours.len(), if own == 3 { 0 } else { 38 });
        assert!(!neighbours.contains(&3));
    }
    let mut kernels = CpuKernels::<f32>::new();
    let mut search = Search::new(&mut kernels, job, &[]).unwrap();
    let stopped = search.hold(&mut kernels, &embeddings, &mut || Err(Error::Failed("stop".into())));
    assert_eq!(stopped.unwrap_err().to_string(), "stop");
}

#[test]
fn a_search_stays_within_its_memory() {
    for features in [1, 10, 17, 512, 4096, 3072, 16_384, 65_536, 262_144, 1 << 24] {
        for references in [1, 45_000, 50_000] {
            let blocks = Blocks::of(features, references, 4);
            let bytes = blocks.bytes(features, 60_000, 30, 4);
            let few = features > 1 << 20;
            assert!(few || bytes < 1_300 << 20, "{features} features: {bytes} bytes in {blocks:?}");
            assert!(references.div_ceil(blocks.held) <= (references * features * 4).div_ceil(HELD).max(1) * 2);
        }
    }
    assert_eq!(Blocks::of(2048, 50_000, 4).held, 50_000);
    assert_eq!(50_000_usize.div_ceil(Blocks::of(65_536, 50_000, 4).held), 13);
}
