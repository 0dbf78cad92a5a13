//! What does a key do? One table drives dispatch, the footer and the help; a disabled key says why.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::data::Verdict as Judgement;

/// Where a binding holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Context {
    /// On every tab, unless the tab binds the key itself.
    Everywhere,
    /// On the tab `1 Train`.
    Train,
    /// On the tab `2 Examples`.
    Examples,
    /// On the tab `5 Correlation`.
    Correlation,
    /// On the tabs of the other analyses.
    Answer,
    /// While the help is open.
    Help,
    /// While a question with yes and no is open.
    Confirm,
    /// While the quit dialog is open.
    Quit,
    /// While the filter is typed.
    Filter,
    /// While scores are chosen.
    Scores,
    /// While a verdict is asked for.
    Verdict,
    /// While the right label is typed.
    NewLabel,
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each action is described by its line in the table")]
pub enum Action {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
    TabTrain,
    TabExamples,
    TabCorrelation,
    TabOfKey(char),
    NextTab,
    PreviousTab,
    NextPane,
    Zoom,
    NextModel,
    Help,
    Back,
    Quit,
    Interrupt,
    Suspend,
    Repaint,
    Pause,
    PauseAll,
    Stop,
    Skip,
    Retry,
    Afresh,
    TrainNext,
    MoreJobs,
    FewerJobs,
    OwnLog,
    GoToExample,
    Sort,
    Filter,
    Mark,
    Verdict,
    Judge(Option<Judgement>),
    AcceptLabel,
    TakeBelieved,
    Freeze,
    NextOfClass,
    PreviousOfClass,
    TurnMatrix,
    NextFigure,
    PreviousFigure,
    ShowBehind,
    Yes,
    No,
    QuitAfterEpoch,
    QuitNow,
    AcceptFilter,
    ChooseScores,
    NextRole,
    LowerThreshold,
    RaiseThreshold,
    LowerTarget,
    RaiseTarget,
    ToggleScore,
    DefaultScores,
}

/// A line of the table.
#[derive(Debug)]
pub struct Binding {
    /// Where it holds.
    pub context: Context,
    /// The keys, each with whether Ctrl is held.
    pub keys: &'static [(KeyCode, bool)],
    /// What it asks for.
    pub action: Action,
    /// The keys as footer and help show them.
    pub shown: &'static str,
    /// The footer's word; empty: the help alone has it.
    pub word: &'static str,
    /// The help's sentence.
    pub help: &'static str,
}

const fn c(character: char) -> (KeyCode, bool) {
    (KeyCode::Char(character), false)
}

const fn ctrl(character: char) -> (KeyCode, bool) {
    (KeyCode::Char(character), true)
}

const fn k(code: KeyCode) -> (KeyCode, bool) {
    (code, false)
}

const fn bind(
    context: Context,
    keys: &'static [(KeyCode, bool)],
    action: Action,
    shown: &'static str,
    word: &'static str,
    help: &'static str,
) -> Binding {
    Binding { context, keys, action, shown, word, help }
}

use Context::{
    Answer, Confirm, Correlation, Everywhere, Examples, Filter, Help, NewLabel, Quit, Scores, Train, Verdict,
};

/// Every key of the workbench. Within a context the footer shows them in this order.
pub const TABLE: &[Binding] = &[
    bind(Train, &[c('p')], Action::Pause, "p", "pause", "pause or resume the selected replicate"),
    bind(Train, &[c('P')], Action::PauseAll, "P", "all", "pause or resume all replicates"),
    bind(
        Train,
        &[c('S')],
        Action::Stop,
        "S",
        "stop after epoch",
        "end the replicate's epoch, write a checkpoint, free its job",
    ),
    bind(Train, &[c('X')], Action::Skip, "X", "skip", "give up on the replicate for now; what it has is kept"),
    bind(Train, &[c('R')], Action::Retry, "R", "retry", "queue a failed, skipped or stopped replicate again"),
    bind(Train, &[c('+'), c('=')], Action::MoreJobs, "+", "", "run one replicate more at once"),
    bind(Train, &[c('-')], Action::FewerJobs, "-", "", "run one replicate fewer at once"),
    bind(Train, &[c('n')], Action::TrainNext, "n", "", "train the selected queued replicate next"),
    bind(Train, &[c('r')], Action::Afresh, "r", "", "delete the finished demo study and run it afresh"),
    bind(
        Train,
        &[k(KeyCode::Enter)],
        Action::OwnLog,
        "Enter",
        "its log",
        "the selected replicate's log lines, or all again",
    ),
    bind(Train, &[c('g')], Action::GoToExample, "g", "go to example", "open the selected example on its tab"),
    bind(
        Examples,
        &[c('o')],
        Action::Sort,
        "o",
        "sort",
        "sort by the column under the cursor; again: the other direction",
    ),
    bind(
        Examples,
        &[c('/')],
        Action::Filter,
        "/",
        "filter",
        "filter, such as label=cat forgetting>5 rank(aum)<100 split=test",
    ),
    bind(Examples, &[c(' ')], Action::Mark, "Space", "mark", "mark or unmark the example (filter: marked)"),
    bind(
        Examples,
        &[c('m')],
        Action::Verdict,
        "m",
        "verdict",
        "say what the label is: mislabelled, ambiguous, fine, drop (filter: verdict=fine, reviewed)",
    ),
    bind(Examples, &[c('f')], Action::Freeze, "f", "freeze", "keep the order while live scores change"),
    bind(Examples, &[c('n')], Action::NextOfClass, "n", "next of class", "the next example with the same label"),
    bind(Examples, &[c('N')], Action::PreviousOfClass, "N", "", "the previous example with the same label"),
    bind(Examples, &[c('g')], Action::First, "g", "", "the first row"),
    bind(Examples, &[c('M')], Action::NextModel, "M", "model", "the next model"),
    bind(Correlation, &[c('t')], Action::TurnMatrix, "t", "turn matrix", "the next of the matrices"),
    bind(
        Examples,
        &[c('r')],
        Action::NextRole,
        "r",
        "",
        "scores of the runs that trained on an example, or that held it out",
    ),
    bind(Correlation, &[c('s')], Action::ChooseScores, "s", "scores", "choose the scores that all analyses look at"),
    bind(Correlation, &[c('r')], Action::NextRole, "r", "role", "training, held-out or test examples"),
    bind(Correlation, &[c('g')], Action::First, "g", "", "the first row"),
    bind(Answer, &[c('t'), k(KeyCode::PageDown)], Action::NextFigure, "t", "next figure", "the next figure"),
    bind(Answer, &[c('T'), k(KeyCode::PageUp)], Action::PreviousFigure, "T", "", "the figure before"),
    bind(
        Answer,
        &[k(KeyCode::Enter)],
        Action::ShowBehind,
        "Enter",
        "show examples",
        "show the examples behind the bar, point or picture on their tab (filter: behind)",
    ),
    bind(Answer, &[c('s')], Action::ChooseScores, "s", "scores", "choose the scores that all analyses look at"),
    bind(Answer, &[c('r')], Action::NextRole, "r", "role", "training, held-out or test examples"),
    bind(Answer, &[c('[')], Action::LowerThreshold, "[ ]", "", "lower the percentile above which examples are hard"),
    bind(Answer, &[c(']')], Action::RaiseThreshold, "]", "", "raise it"),
    bind(Answer, &[c('{')], Action::LowerTarget, "{ }", "", "a smaller rank change that the runs needed must reach"),
    bind(Answer, &[c('}')], Action::RaiseTarget, "}", "", "a larger one"),
    bind(Everywhere, &[k(KeyCode::Up), c('k')], Action::Up, "↑ k", "", "up"),
    bind(Everywhere, &[k(KeyCode::Down), c('j')], Action::Down, "↓ j", "", "down"),
    bind(Everywhere, &[k(KeyCode::Left), c('h')], Action::Left, "← h", "", "left: column, picture or cell"),
    bind(Everywhere, &[k(KeyCode::Right), c('l')], Action::Right, "→ l", "", "right: column, picture or cell"),
    bind(Everywhere, &[k(KeyCode::PageUp), ctrl('b'), ctrl('u')], Action::PageUp, "PgUp ^B", "", "a page up"),
    bind(Everywhere, &[k(KeyCode::PageDown), ctrl('f'), ctrl('d')], Action::PageDown, "PgDn ^F", "", "a page down"),
    bind(Everywhere, &[k(KeyCode::Home)], Action::First, "Home", "", "the first row"),
    bind(Everywhere, &[k(KeyCode::End), c('G')], Action::Last, "End G", "", "the last row"),
    bind(Everywhere, &[c('1')], Action::TabTrain, "1", "", "the tab Train"),
    bind(Everywhere, &[c('2')], Action::TabExamples, "2", "", "the tab Examples"),
    bind(Everywhere, &[c('3')], Action::TabOfKey('3'), "3", "", "the tab Variance"),
    bind(Everywhere, &[c('4')], Action::TabOfKey('4'), "4", "", "the tab Stability"),
    bind(Everywhere, &[c('5')], Action::TabCorrelation, "5", "", "the tab Correlation"),
    bind(Everywhere, &[c('6')], Action::TabOfKey('6'), "6", "", "the tab Components"),
    bind(Everywhere, &[c('7')], Action::TabOfKey('7'), "7", "", "the tab Bias"),
    bind(Everywhere, &[c('8')], Action::TabOfKey('8'), "8", "", "the tab Fingerprint"),
    bind(Everywhere, &[c('9')], Action::TabOfKey('9'), "9", "", "the tab Depth·VoG"),
    bind(Everywhere, &[c('0')], Action::TabOfKey('0'), "0", "", "the tab Audit"),
    bind(Everywhere, &[k(KeyCode::Tab)], Action::NextTab, "Tab", "", "the next tab"),
    bind(Everywhere, &[k(KeyCode::BackTab)], Action::PreviousTab, "⇧Tab", "", "the previous tab"),
    bind(Everywhere, &[c('m')], Action::NextModel, "m", "model", "the next model"),
    bind(Everywhere, &[c('w')], Action::NextPane, "w", "pane", "focus the next pane"),
    bind(Everywhere, &[c('z')], Action::Zoom, "z", "zoom", "the focused pane alone, or all again"),
    bind(Everywhere, &[k(KeyCode::Esc)], Action::Back, "Esc", "", "back: unzoom, then clear the filter"),
    bind(Everywhere, &[ctrl('l')], Action::Repaint, "^L", "", "paint the screen afresh"),
    bind(Everywhere, &[ctrl('z')], Action::Suspend, "^Z", "", "to the shell; fg comes back"),
    bind(Everywhere, &[c('?'), k(KeyCode::F(1))], Action::Help, "?", "help", "this page"),
    bind(Everywhere, &[c('q')], Action::Quit, "q", "quit", "quit; asks while replicates run"),
    bind(Everywhere, &[ctrl('c')], Action::Interrupt, "^C", "", "quit; twice: at once, back to the last checkpoints"),
    bind(Help, &[k(KeyCode::Esc), c('?'), c('q'), k(KeyCode::Enter)], Action::Back, "Esc", "close", "close the help"),
    bind(Help, &[k(KeyCode::Up), c('k')], Action::Up, "↑", "", "scroll up"),
    bind(Help, &[k(KeyCode::Down), c('j')], Action::Down, "↓", "scroll", "scroll down"),
    bind(Confirm, &[c('y'), k(KeyCode::Enter)], Action::Yes, "y", "yes", "do it"),
    bind(Confirm, &[c('n'), k(KeyCode::Esc), c('q')], Action::No, "n", "no", "leave it"),
    bind(
        Quit,
        &[c('a'), k(KeyCode::Enter)],
        Action::QuitAfterEpoch,
        "a",
        "after this epoch",
        "end the running epochs first",
    ),
    bind(Quit, &[c('n'), c('y')], Action::QuitNow, "n", "now", "back to the last checkpoints"),
    bind(Quit, &[k(KeyCode::Esc), c('c'), c('q')], Action::No, "Esc", "cancel", "go on"),
    bind(Scores, &[c(' '), k(KeyCode::Enter)], Action::ToggleScore, "Space", "in or out", "take the score in or out"),
    bind(Scores, &[c('d')], Action::DefaultScores, "d", "default", "the first variant of each score"),
    bind(Scores, &[k(KeyCode::Up), c('k')], Action::Up, "↑", "", "up"),
    bind(Scores, &[k(KeyCode::Down), c('j')], Action::Down, "↓", "", "down"),
    bind(Scores, &[k(KeyCode::Esc), c('s'), c('q')], Action::Back, "Esc", "done", "close the list"),
    bind(Filter, &[k(KeyCode::Enter)], Action::AcceptFilter, "Enter", "keep", "keep the filter"),
    bind(Filter, &[k(KeyCode::Esc)], Action::Back, "Esc", "as it was", "back to the filter before"),
    bind(
        Verdict,
        &[c('m')],
        Action::Judge(Some(Judgement::Mislabelled)),
        "m",
        "mislabelled",
        "the label is wrong; asks for the right one",
    ),
    bind(
        Verdict,
        &[c('a')],
        Action::Judge(Some(Judgement::Ambiguous)),
        "a",
        "ambiguous",
        "more than one label would be right",
    ),
    bind(Verdict, &[c('f')], Action::Judge(Some(Judgement::Fine)), "f", "fine", "the label is right"),
    bind(Verdict, &[c('d')], Action::Judge(Some(Judgement::Drop)), "d", "drop", "of no use, whatever its label"),
    bind(Verdict, &[c('x'), k(KeyCode::Backspace)], Action::Judge(None), "x", "none", "take the verdict back"),
    bind(Verdict, &[k(KeyCode::Esc), c('q')], Action::Back, "Esc", "cancel", "leave it as it is"),
    bind(NewLabel, &[k(KeyCode::Enter)], Action::AcceptLabel, "Enter", "keep", "this class; nothing typed: not known"),
    bind(NewLabel, &[c('b')], Action::TakeBelieved, "b", "believed", "the class that most runs see"),
    bind(NewLabel, &[k(KeyCode::Esc), c('q')], Action::Back, "Esc", "cancel", "no verdict"),
];

/// What a key asks for in a context; tabs fall back to what holds everywhere.
pub fn action(context: Context, key: KeyEvent) -> Option<Action> {
    let pressed = (key.code, key.modifiers.contains(KeyModifiers::CONTROL));
    let find = |context| TABLE.iter().find(|b| b.context == context && b.keys.contains(&pressed)).map(|b| b.action);
    // Ctrl-C, Ctrl-Z and Ctrl-L work in dialogs too.
    let always = pressed.1 || matches!(context, Train | Examples | Correlation | Answer);
    find(context).or_else(|| if always { find(Everywhere) } else { None })
}

/// The bindings that the footer shows in a context.
pub fn footer(context: Context) -> impl Iterator<Item = &'static Binding> {
    let tab = matches!(context, Train | Examples | Correlation | Answer);
    let holds =
        move |b: &&Binding| b.context == context || tab && b.context == Everywhere && !is_overridden(b, context);
    TABLE.iter().filter(move |b| holds(b) && !b.word.is_empty())
}

/// Whether a tab has another use for all keys of a binding that holds everywhere.
fn is_overridden(binding: &Binding, context: Context) -> bool {
    let of_tab = |key| TABLE.iter().any(|b| b.context == context && b.keys.contains(key));
    binding.keys.iter().all(of_tab)
}

/// The bindings that the help lists for a tab: its own, then those that hold everywhere.
pub fn help(context: Context) -> [(&'static str, Vec<&'static Binding>); 2] {
    let of = |of| {
        TABLE.iter().filter(move |b| b.context == of && !(of == Everywhere && is_overridden(b, context))).collect()
    };
    let title = match context {
        Train => "Train",
        Examples => "Examples",
        Answer => "Answers",
        _ => "Correlation",
    };
    [(title, of(context)), ("Everywhere", of(Everywhere))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_bound_twice_in_a_context() {
        for (i, a) in TABLE.iter().enumerate() {
            for b in TABLE.iter().skip(i + 1).filter(|b| b.context == a.context) {
                assert!(!a.keys.iter().any(|key| b.keys.contains(key)), "{} and {} in {:?}", a.help, b.help, a.context);
            }
        }
    }

    #[test]
    fn every_binding_can_be_shown_and_explained() {
        assert!(TABLE.iter().all(|b| !b.keys.is_empty() && !b.shown.is_empty() && !b.help.is_empty()));
    }

    #[test]
    fn keys_that_stop_work_are_capitals() {
        for action in [Action::Stop, Action::Skip, Action::Retry] {
            let binding = TABLE.iter().find(|b| b.action == action).unwrap();
            assert!(binding.keys.iter().all(|(code, _)| matches!(code, KeyCode::Char('A'..='Z'))), "{binding:?}");
        }
    }

    #[test]
    fn a_key_that_a_tab_uses_otherwise_is_not_shown_twice() {
        for context in [Train, Examples, Correlation, Answer] {
            let models: Vec<&str> = footer(context).filter(|b| b.word == "model").map(|b| b.shown).collect();
            assert_eq!(models, [if context == Examples { "M" } else { "m" }]);
        }
    }

    #[test]
    fn a_tab_overrides_what_holds_everywhere_and_dialogs_do_not_fall_through() {
        let key = |ch| KeyEvent::new(KeyCode::Char(ch), KeyModifiers::NONE);
        assert_eq!(action(Train, key('g')), Some(Action::GoToExample));
        assert_eq!(action(Examples, key('g')), Some(Action::First));
        assert_eq!(action(Confirm, key('2')), None);
        assert_eq!(action(Confirm, KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Some(Action::Interrupt));
    }
}
