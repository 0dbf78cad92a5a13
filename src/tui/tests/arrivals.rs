//! Scores that are imported while the workbench is open.

use std::sync::{Arc, Mutex};

use super::super::app::App;
use super::super::fixture::{imported, settle};
use super::super::pictures::Mode;
use super::super::session::{Arrived, ScoreColumn, Session};
use super::super::theme::{Choice, Depth, Theme};
use super::{press, shown};
use crate::scores::Harder;
use crate::train::board::LiveScores;

#[test]
fn scores_that_come_meanwhile_stand_in_the_table_and_every_answer_is_asked_for_again() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (session, heard) = (imported(), asked.clone());
    let answers = session.analyse.clone();
    let analyse: Arc<super::super::session::Analyse> = Arc::new(move |analysis, model, views, options| {
        let scores = views.iter().filter_map(|view| Some(view.scores.as_ref()?.values.len())).max();
        heard.lock().unwrap().push((analysis.name, scores.unwrap_or(0)));
        answers(analysis, model, views, options)
    });
    let session = Session { analyse, ..session };
    let mut app = App::new(session, Theme::new(Choice::Dark, Depth::True, None), Mode::Blocks);
    press(&mut app, "52");
    let before = shown(&app, 160, 45);
    assert!(!before.contains("human"), "{before}");
    assert_eq!(std::mem::take(&mut *asked.lock().unwrap()), [("correlation", 2)]);

    // As after an import: the values are on the board, behind those that were known.
    let mut views = app.session.board.snapshot();
    for view in &mut views {
        let old = view.scores.as_ref().unwrap();
        let human = (0..old.values[0].len()).map(|example| example as f32 / 10.0).collect();
        let values = old.values.iter().cloned().chain([human]).collect();
        view.scores = Some(Arc::new(LiveScores { values, ..(**old).clone() }));
    }
    app.session.board.take_scores(views);
    let human = ScoreColumn { name: "human".into(), harder: Harder::High, about: "imported".into() };
    let scores = app.session.scores.iter().cloned().chain([human]).collect();
    let imported = app.session.imported.clone();
    app.take_arrived(Arrived { scores, imported, text: Some("Imported: `human` of resnet18.".into()) });
    let at_once = shown(&app, 160, 45);
    assert!(at_once.contains("Imported: `human` of resnet18."), "{at_once}");
    settle(&mut app);
    let after = shown(&app, 160, 45);
    assert!(after.contains("human"), "{after}");
    press(&mut app, "55");
    assert_eq!(*asked.lock().unwrap(), [("correlation", 3)], "asked once more, and then no more");
}
