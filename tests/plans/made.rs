//! What nights are made of: manifests, what became of their rows before, and edits.

use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;

/// Manifests of one night.
pub(crate) const BATCHES: usize = 5;
/// How often they are edited, planned and run.
pub(crate) const ROUNDS: usize = 2;
/// One of them makes short videos only; the first is the cheap one.
pub(crate) const MODELS: [&str; 3] =
    ["minimax/hailuo-02/t2v-standard", "minimax/hailuo-2.3/t2v-pro", "minimax/hailuo-02/pro"];
const MOODS: [&str; 3] = ["rain", "fog", "snow"];

/// One row of a manifest.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Ids come from few numbers; one that is taken already is left out.
    id: Option<u8>,
    model: usize,
    /// Prompts come from few texts, so that some rows are equal.
    text: u8,
    long: bool,
    count: u8,
    priority: Option<i8>,
    flaw: Option<Flaw>,
}

/// What may be wrong with a row, where rows with mistakes are left out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flaw {
    /// Told while the row is read, its id is known.
    Price,
    /// Told before its id is known.
    Id,
    /// Against the schema of its model.
    Duration,
    /// Would leave the output folder.
    Output,
    /// Names nothing there is.
    Template,
}

/// One manifest.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    toml: bool,
    rows: Vec<Row>,
    /// So many values has the axis of the matrix; 0 is no matrix.
    moods: usize,
}

/// One change of a manifest. Places are taken modulo its rows.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Reword(usize, u8),
    Remodel(usize, usize),
    Lengthen(usize),
    Rename(usize, Option<u8>),
    Count(usize, u8),
    Flaw(usize, Option<Flaw>),
    Move(usize, usize),
    Insert(usize, Row),
    Remove(usize),
    Moods(usize),
    Convert,
}

/// Where a job is before the first plan.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// Not brought in yet.
    Absent,
    Pending,
    /// Refused once, to be tried again.
    Tried,
    Failed,
    Canceled,
    Done,
    /// Accepted, not polled yet.
    Submitted,
    /// Sent, and the run was killed before it knew more.
    Interrupted,
    /// Sent, and the answer was lost.
    Unknown,
    Quarantined,
    LostOutput,
}

/// A manifest, what became of its jobs (over and over), and its edits.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) table: Table,
    pub(crate) fates: Vec<Fate>,
    pub(crate) edits: Vec<Vec<Edit>>,
}

/// All of it.
#[derive(Clone, Debug)]
pub(crate) struct Night {
    pub(crate) batches: Vec<Batch>,
    /// Whether each run is with `--changed rerun`; else it is with `--changed keep`.
    pub(crate) reruns: Vec<bool>,
    pub(crate) ramp: bool,
    /// Whether rows with mistakes are left out; else there are none.
    pub(crate) skips: bool,
}

/// Rows by what was planned for them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) new: usize,
    pub(crate) retry: usize,
    pub(crate) rerun: usize,
    pub(crate) kept: usize,
    pub(crate) left_out: usize,
    pub(crate) others: usize,
}

impl Seen {
    pub(crate) fn add(&mut self, other: Self) {
        self.new += other.new;
        self.retry += other.retry;
        self.rerun += other.rerun;
        self.kept += other.kept;
        self.left_out += other.left_out;
        self.others += other.others;
    }

    /// Whether there was some of everything.
    pub(crate) fn is_broad(&self) -> bool {
        let Self { new, retry, rerun, kept, left_out, others } = *self;
        [new, retry, rerun, kept, left_out, others].into_iter().all(|n| n > 0)
    }
}

fn ids() -> impl Strategy<Value = Option<u8>> {
    prop::option::weighted(0.7, 0..20_u8)
}

fn rows() -> impl Strategy<Value = Row> {
    let numbers = (prop_oneof![4 => Just(1_u8), 1 => 2..4_u8], prop::option::of(-2..3_i8));
    (ids(), 0..MODELS.len(), 0..8_u8, any::<bool>(), numbers).prop_map(
        |(id, model, text, long, (count, priority))| Row {
            id,
            model,
            text,
            long,
            count,
            priority,
            flaw: None,
        },
    )
}

fn flaws() -> impl Strategy<Value = Option<Flaw>> {
    prop::option::weighted(
        0.8,
        prop_oneof![
            Just(Flaw::Price),
            Just(Flaw::Id),
            Just(Flaw::Duration),
            Just(Flaw::Output),
            Just(Flaw::Template),
        ],
    )
}

fn edits() -> impl Strategy<Value = Edit> {
    let place = || 0..20_usize;
    prop_oneof![
        4 => (place(), 0..12_u8).prop_map(|(at, text)| Edit::Reword(at, text)),
        1 => (place(), 0..MODELS.len()).prop_map(|(at, model)| Edit::Remodel(at, model)),
        1 => place().prop_map(Edit::Lengthen),
        1 => (place(), ids()).prop_map(|(at, id)| Edit::Rename(at, id)),
        1 => (place(), 1..4_u8).prop_map(|(at, count)| Edit::Count(at, count)),
        8 => (place(), flaws()).prop_map(|(at, flaw)| Edit::Flaw(at, flaw)),
        2 => (place(), place()).prop_map(|(from, to)| Edit::Move(from, to)),
        2 => (place(), rows()).prop_map(|(at, row)| Edit::Insert(at, row)),
        2 => place().prop_map(Edit::Remove),
        1 => (0..=MOODS.len()).prop_map(Edit::Moods),
        1 => Just(Edit::Convert),
    ]
}

fn fates() -> impl Strategy<Value = Fate> {
    use Fate as F;
    prop_oneof![
        1 => Just(F::Absent),
        // What waits is what may be paid for by mistake.
        3 => Just(F::Pending),
        2 => Just(F::Tried),
        1 => Just(F::Failed),
        1 => Just(F::Canceled),
        1 => Just(F::Done),
        1 => Just(F::Submitted),
        1 => Just(F::Interrupted),
        1 => Just(F::Unknown),
        1 => Just(F::Quarantined),
        1 => Just(F::LostOutput),
    ]
}

fn batches() -> impl Strategy<Value = Batch> {
    let table = (any::<bool>(), vec(rows(), 1..7), 0..MOODS.len())
        .prop_map(|(toml, rows, moods)| Table { toml, rows, moods });
    (table, vec(fates(), 1..12), vec(vec(edits(), 0..4), ROUNDS))
        .prop_map(|(table, fates, edits)| Batch { table, fates, edits })
}

/// Any night.
pub(crate) fn nights() -> impl Strategy<Value = Night> {
    (vec(batches(), BATCHES), vec(any::<bool>(), ROUNDS), any::<bool>(), any::<bool>())
        .prop_map(|(batches, reruns, ramp, skips)| Night { batches, reruns, ramp, skips })
}

impl Table {
    pub(crate) fn edit(&mut self, edit: &Edit) {
        let rows = &mut self.rows;
        let all = rows.len();
        match edit {
            Edit::Reword(at, text) => rows[at % all].text = *text,
            Edit::Remodel(at, model) => rows[at % all].model = *model,
            Edit::Lengthen(at) => rows[at % all].long ^= true,
            Edit::Rename(at, id) => rows[at % all].id = *id,
            Edit::Count(at, count) => rows[at % all].count = *count,
            Edit::Flaw(at, flaw) => rows[at % all].flaw = *flaw,
            Edit::Move(from, to) => rows.swap(from % all, to % all),
            Edit::Insert(at, row) => rows.insert(at % (all + 1), row.clone()),
            Edit::Remove(at) if all > 1 => _ = rows.remove(at % all),
            Edit::Remove(_) => {}
            Edit::Moods(moods) => self.moods = *moods,
            Edit::Convert => self.toml ^= true,
        }
    }

    /// The same without what is wrong with its rows.
    pub(crate) fn flawless(&self) -> Self {
        let mut table = self.clone();
        table.rows.iter_mut().for_each(|row| row.flaw = None);
        table
    }

    /// The manifest's file name and text; `name` is the batch's and stands in every prompt.
    pub(crate) fn write(&self, name: &str) -> (String, String) {
        let mut taken = [false; 256];
        let rows = self.rows.iter().map(|row| {
            let id = row.id.filter(|id| !std::mem::replace(&mut taken[usize::from(*id)], true));
            (row, id)
        });
        if self.toml {
            (format!("{name}.toml"), self.toml(name, rows))
        } else {
            (format!("{name}.csv"), csv(name, rows))
        }
    }

    fn toml<'a>(&self, name: &str, rows: impl Iterator<Item = (&'a Row, Option<u8>)>) -> String {
        let moods = &MOODS[..self.moods];
        let (of_id, of_prompt) =
            if moods.is_empty() { ("", "") } else { ("-{{ mood }}", " in {{ mood }}") };
        let mut text = String::new();
        if !moods.is_empty() {
            writeln!(text, "[matrix]\nmood = {moods:?}").unwrap();
        }
        for (row, id) in rows {
            let Row { model, text: words, count, .. } = row;
            let model = MODELS[*model];
            writeln!(text, "[[job]]\nmodel = \"{model}\"\ncount = {count}").unwrap();
            let oops = row.oops();
            writeln!(text, "prompt = \"{name}, scene {words}{of_prompt}{oops}\"").unwrap();
            match (id, row.flaw) {
                (_, Some(Flaw::Id)) => writeln!(text, "id = \"no id{of_id}\"").unwrap(),
                (Some(id), _) => writeln!(text, "id = \"r{id}{of_id}\"").unwrap(),
                (None, _) => {}
            }
            if let Some(output) = row.output() {
                writeln!(text, "output = \"{output}\"").unwrap();
            }
            if matches!(row.flaw, Some(Flaw::Price)) {
                writeln!(text, "price = \"-1\"").unwrap();
            }
            if let Some(duration) = row.duration() {
                writeln!(text, "duration = {duration}").unwrap();
            }
            if let Some(priority) = row.priority {
                writeln!(text, "priority = {priority}").unwrap();
            }
        }
        text
    }
}

fn csv<'a>(name: &str, rows: impl Iterator<Item = (&'a Row, Option<u8>)>) -> String {
    let mut text = "id,model,prompt,count,duration,priority,price,output\n".to_owned();
    for (row, id) in rows {
        let id = match row.flaw {
            Some(Flaw::Id) => "no id".to_owned(),
            _ => id.map_or_else(String::new, |id| format!("r{id}")),
        };
        let Row { model, text: words, count, .. } = row;
        let duration = row.duration().map_or_else(String::new, |d| d.to_string());
        let priority = row.priority.map_or_else(String::new, |p| p.to_string());
        let model = MODELS[*model];
        let (oops, output) = (row.oops(), row.output().unwrap_or_default());
        let price = if matches!(row.flaw, Some(Flaw::Price)) { "-1" } else { "" };
        writeln!(
            text,
            "{id},{model},\"{name}, scene {words}{oops}\",{count},{duration},{priority},{price},{output}"
        )
        .unwrap();
    }
    text
}

impl Row {
    fn oops(&self) -> &'static str {
        if matches!(self.flaw, Some(Flaw::Template)) { " {{ nobody }}" } else { "" }
    }

    fn output(&self) -> Option<&'static str> {
        matches!(self.flaw, Some(Flaw::Output)).then_some("../../{{ key }}.mp4")
    }

    fn duration(&self) -> Option<u8> {
        if matches!(self.flaw, Some(Flaw::Duration)) {
            return Some(7);
        }
        let takes_long = MODELS[self.model] != "minimax/hailuo-02/pro";
        self.long.then_some(if takes_long { 10 } else { 6 })
    }
}
