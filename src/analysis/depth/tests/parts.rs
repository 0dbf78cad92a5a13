//! The parts alone: votes without one of them, bounds, bins, corners.

use super::*;

/// Runs that vote for four classes in turn, with a depth everywhere; label 0 throughout.
fn voting(votes: &[[u16; 4]]) -> together::Together {
    let runs = votes[0].iter().map(|votes| usize::from(*votes)).sum::<usize>();
    let votes_of = |votes: &[u16; 4]| -> Vec<u16> {
        (0..4_u16).flat_map(|class| std::iter::repeat_n(class, usize::from(votes[usize::from(class)]))).collect()
    };
    let by_example: Vec<Vec<u16>> = votes.iter().map(votes_of).collect();
    let shape = (runs, votes.len());
    let one = ModelScores {
        model: "m".into(),
        role: "val",
        runs: (0..runs as u32).collect(),
        scores: vec![ScoreRuns {
            name: "prediction_depth".into(),
            harder: Harder::High,
            values: Array2::from_elem(shape, 1.0),
        }],
        cohort: Arc::new(Cohort { labels: vec![0; votes.len()], ..Cohort::default() }),
        predicted: Array2::from_shape_fn(shape, |(run, example)| by_example[example][run]),
    };
    together::Together::of(&subject::Side { scores: &one, depth: &one.scores[0] }, None, 2.0, true)
}

#[test]
fn the_same_votes_for_other_classes_tie_exactly() {
    // In the order of the classes, rounding would make several entropies of one multiset of votes.
    let classes = [0, 1, 2, 3_usize];
    let mut orders = Vec::new();
    for a in classes {
        for b in classes.into_iter().filter(|b| *b != a) {
            for c in classes.into_iter().filter(|c| *c != a && *c != b) {
                let mut votes = [7_u16; 4];
                (votes[a], votes[b], votes[c]) = (1, 2, 3);
                orders.push(votes);
            }
        }
    }
    let of = voting(&orders);
    for values in [&of.others_entropy, &of.others_consistency] {
        assert!(values[0] > 0.0 && values.iter().all(|value| value.to_bits() == values[0].to_bits()), "{values:?}");
    }
}

#[test]
fn bounds_leave_a_hundredth_beyond_and_bins_close_at_the_end() {
    let depths: Vec<f64> = (0..=200).map(|at| f64::from(at) / 100.0).collect();
    let gaps: Vec<f64> = depths.iter().enumerate().map(|(at, depth)| depth * at as f64 / 200.0).collect();
    // Slopes are at / 200 for 1 to 200: their 99th percentile lies between the 198th and the 199th.
    assert_close(slope(&depths, &gaps), 198.01 / 200.0, 1e-12, "slope");
    assert_close(beyond(&depths, &gaps, 198.01 / 200.0), 2.0 / 201.0, 1e-12, "beyond");
    assert_close(beyond(&[0.0, 1.0, f64::NAN], &[0.1, 0.1, 9.0], 0.5), 0.5, 1e-12, "depth 0 is not on the line");
    assert!(slope(&[0.0, f64::NAN], &[1.0, 1.0]).is_nan());
    assert_eq!((bin(0.0, 5.0), bin(2.5, 5.0), bin(4.99, 5.0), bin(5.0, 5.0)), (0, 5, 9, 9));
    let of = bands(&[0.1, 0.2, 5.0, f64::NAN], &[1.0, 3.0, 2.0, 7.0], 5.0);
    assert_eq!(of.iter().map(|band| band.examples).collect::<Vec<_>>(), [2, 1]);
    assert_close(of[0].mean, 2.0, 1e-12, "mean of the first bin");
    assert!(pearson(&[1.0, 2.0], &[3.0, 3.0]).is_nan() && pearson(&[1.0], &[1.0]).is_nan());
    assert_close(pearson(&[1.0, 2.0, f64::NAN], &[4.0, 2.0, 0.0]), -1.0, 1e-12, "a line");
}

#[test]
fn corners_have_the_nearest_examples_with_both_depths() {
    let (val, train) = ([0.0, 4.0, f64::NAN, 4.0, 0.0, 2.0], [0.0, 0.0, 0.0, 4.0, 4.0, 2.0]);
    let firsts: Vec<usize> = CORNERS.iter().map(|corner| nearest(&val, &train, 4.0, *corner).examples[0]).collect();
    assert_eq!(firsts, [0, 4, 1, 3], "easy, other class, needs its label, ambiguous");
    // The middle is nearer than the other corners, of which the nearer ones tie: the first stands first.
    assert_eq!(nearest(&val, &train, 4.0, CORNERS[0]).examples, [0, 5, 1, 4, 3]);
    let many = vec![1.0; 250];
    let of = nearest(&many, &many, 4.0, CORNERS[3]);
    assert_eq!((of.examples.clone(), of.chosen()), ((0..100).collect::<Vec<usize>>(), Some((100, 250))));
    // 60 are nearer; of 190 that tie, 40 find room. Where all that tie do, nothing was chosen.
    let some: Vec<f64> = (0..250).map(|at| if at < 60 { 2.0 } else { 1.0 }).collect();
    assert_eq!(nearest(&some, &some, 4.0, CORNERS[3]).chosen(), Some((40, 190)));
    assert_eq!(nearest(&some[..100], &some[..100], 4.0, CORNERS[3]).chosen(), None);
    assert_eq!(nearest(&[], &[], 4.0, CORNERS[3]).chosen(), None);
}

#[test]
fn a_corner_that_ties_says_how_many_of_how_many() {
    let mut held = models("held", true);
    for model in &mut held {
        let depth = model.scores.iter_mut().find(|score| score.name == "prediction_depth").unwrap();
        depth.values.mapv_inplace(|depth| if depth.is_nan() { depth } else { 0.0 });
    }
    let answer = answered(&held, Some(&Left::default()));
    let tied = &answer.results[0]["corners"][0]["tied"];
    let (taken, of) = (tied["taken"].as_u64().unwrap(), tied["of"].as_u64().unwrap());
    assert!(taken == 100 && of > 100, "{tied}");
    assert!(
        answer.warnings.iter().any(|warning| warning.contains(&format!("100 of {of} (easy)"))),
        "{:?}",
        answer.warnings
    );
    let row = |figure: &Figure| match figure {
        Figure::Pictures { rows, .. } => Some(rows[0].0.clone()),
        _ => None,
    };
    assert_eq!(answer.figures.iter().find_map(row).unwrap(), format!("easy (100 of {of} equally near)"));
}
