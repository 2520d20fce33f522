//! The table of all kinds of faults.

use axum::http::StatusCode;

use super::{Cut, Effect, Fated, FileFault, Gate, Shape, View};

/// One row of the table of kinds.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    name: &'static str,
    on: &'static [Gate],
    pub(super) effect: Effect,
    pub(super) charged: bool,
    pub(super) takes: &'static [&'static str],
}

const ALL: &[Gate] = &[
    Gate::Submit,
    Gate::Poll,
    Gate::Download,
    Gate::Upload,
    Gate::History,
    Gate::Quote,
    Gate::Models,
    Gate::Balance,
];
const JSON: &[Gate] = &[
    Gate::Submit,
    Gate::Poll,
    Gate::Upload,
    Gate::History,
    Gate::Quote,
    Gate::Models,
    Gate::Balance,
];
const SUBMIT: &[Gate] = &[Gate::Submit];
const TASK: &[Gate] = &[Gate::Submit, Gate::Poll];
const POLL: &[Gate] = &[Gate::Poll];
const OUTCOME: &[Gate] = &[Gate::Outcome];
const FILE: &[Gate] = &[Gate::Download];
const UPLOAD: &[Gate] = &[Gate::Upload];

/// Every key that only some kinds take.
pub(super) const PARAMETERS: &[&str] =
    &["code", "word", "message", "retry_after", "url", "content_type", "hops", "count", "bytes"];

const fn kind(name: &'static str, on: &'static [Gate], effect: Effect) -> Kind {
    Kind { name, on, effect, charged: false, takes: &[] }
}

const fn charged(name: &'static str, on: &'static [Gate], effect: Effect) -> Kind {
    Kind { charged: true, ..kind(name, on, effect) }
}

const fn takes(row: Kind, takes: &'static [&'static str]) -> Kind {
    Kind { takes, ..row }
}

/// The kinds with a fixed name. Those of downloads stand first: some share a general kind's name.
const KINDS: &[Kind] = &[
    kind("truncated", FILE, Effect::File(FileFault::Truncated)),
    kind("reset", FILE, Effect::File(FileFault::Reset)),
    kind("longer", FILE, Effect::File(FileFault::Longer)),
    kind("two_lengths", FILE, Effect::File(FileFault::TwoLengths)),
    kind("no_length", FILE, Effect::File(FileFault::NoLength)),
    kind("no_length_cut", FILE, Effect::File(FileFault::NoLengthCut)),
    takes(kind("wrong_type", FILE, Effect::File(FileFault::WrongType)), &["content_type"]),
    kind("wrong_magic", FILE, Effect::File(FileFault::WrongMagic)),
    kind("slow", FILE, Effect::File(FileFault::Slow)),
    kind("stall", FILE, Effect::File(FileFault::Stall)),
    takes(kind("oversize", FILE, Effect::File(FileFault::Oversize)), &["bytes"]),
    takes(kind("redirect", FILE, Effect::File(FileFault::Redirect)), &["hops"]),
    kind("redirect_loop", FILE, Effect::File(FileFault::RedirectLoop)),
    kind("redirect_private", FILE, Effect::File(FileFault::RedirectPrivate)),
    takes(kind("redirect_to", FILE, Effect::File(FileFault::RedirectTo)), &["url"]),
    kind("wrong_range", FILE, Effect::File(FileFault::WrongRange)),
    kind("range_ignored", FILE, Effect::File(FileFault::RangeIgnored)),
    kind("changed_etag", FILE, Effect::File(FileFault::ChangedEtag)),
    kind("weak_etag", FILE, Effect::File(FileFault::WeakEtag)),
    kind("no_etag", FILE, Effect::File(FileFault::NoEtag)),
    kind("expired", FILE, Effect::File(FileFault::Expired)),
    kind("html", ALL, Effect::Html(StatusCode::OK)),
    kind("garbage", ALL, Effect::Garbage),
    kind("empty_body", ALL, Effect::EmptyBody),
    kind("close", ALL, Effect::Close),
    kind("reset", ALL, Effect::Reset),
    kind("close_before_read", ALL, Effect::ResetBeforeRead),
    charged("cut_status_line", ALL, Effect::Cut(Cut::StatusLine)),
    charged("cut_headers", ALL, Effect::Cut(Cut::Headers)),
    charged("cut_body", ALL, Effect::Cut(Cut::Body)),
    charged("slow", ALL, Effect::Slow),
    takes(kind("code_in_200", JSON, Effect::CodeIn200), &["code", "message"]),
    charged("cut_json", JSON, Effect::Shape(Shape::Half)),
    charged("text_plain", JSON, Effect::Shape(Shape::TextPlain)),
    charged("string_code", JSON, Effect::Shape(Shape::StringCode)),
    charged("deep_json", JSON, Effect::Shape(Shape::Deep)),
    charged("huge_json", JSON, Effect::Shape(Shape::Huge)),
    charged("charged_then_reset", SUBMIT, Effect::Reset),
    charged("charged_then_close", SUBMIT, Effect::Close),
    charged("charged_then_timeout", SUBMIT, Effect::Close),
    kind("close_after_read", SUBMIT, Effect::Close),
    kind("lands_late", SUBMIT, Effect::LandsLate),
    charged("missing_id", SUBMIT, Effect::Shape(Shape::MissingId)),
    charged("null_id", SUBMIT, Effect::Shape(Shape::NullId)),
    charged("number_id", SUBMIT, Effect::Shape(Shape::NumberId)),
    charged("empty_id", SUBMIT, Effect::Shape(Shape::EmptyId)),
    charged("huge_id", SUBMIT, Effect::Shape(Shape::HugeId)),
    charged("wild_id", SUBMIT, Effect::Shape(Shape::WildId)),
    charged("repeated_id", SUBMIT, Effect::Shape(Shape::RepeatedId)),
    takes(
        charged("failed_later", SUBMIT, Effect::Fate(Fated::Fails)),
        &["word", "message", "code"],
    ),
    takes(
        charged("failed_later_5xx", SUBMIT, Effect::Fate(Fated::FailsBy5xx)),
        &["word", "message", "code"],
    ),
    takes(charged("timeout_later", SUBMIT, Effect::Fate(Fated::TimesOut)), &["message"]),
    takes(charged("moderation", SUBMIT, Effect::Fate(Fated::Moderated)), &["message"]),
    charged("never_finishes", SUBMIT, Effect::Fate(Fated::NeverFinishes)),
    charged("bare_object", TASK, Effect::Shape(Shape::BareObject)),
    charged("nested_data", TASK, Effect::Shape(Shape::NestedData)),
    charged("prediction_id_key", TASK, Effect::Shape(Shape::PredictionIdKey)),
    charged("null_data", TASK, Effect::Shape(Shape::NullData)),
    takes(kind("unknown_status", POLL, Effect::View(View::UnknownStatus)), &["word"]),
    kind("other_id", POLL, Effect::View(View::OtherId)),
    kind("error_object", POLL, Effect::View(View::ErrorObject)),
    kind("flap", OUTCOME, Effect::View(View::Flap)),
    takes(kind("final_word", OUTCOME, Effect::View(View::FinalWord)), &["word"]),
    kind("outputs_empty", OUTCOME, Effect::View(View::OutputsEmpty)),
    kind("outputs_null", OUTCOME, Effect::View(View::OutputsNull)),
    kind("outputs_missing", OUTCOME, Effect::View(View::OutputsMissing)),
    kind("outputs_objects", OUTCOME, Effect::View(View::OutputsObjects)),
    kind("output_string", OUTCOME, Effect::View(View::OutputString)),
    kind("outputs_duplicate", OUTCOME, Effect::View(View::OutputsDuplicate)),
    takes(kind("outputs_many", OUTCOME, Effect::View(View::OutputsMany)), &["count"]),
    kind("outputs_data_uri", OUTCOME, Effect::View(View::OutputsDataUri)),
    kind("outputs_base64", OUTCOME, Effect::View(View::OutputsBase64)),
    kind("outputs_text", OUTCOME, Effect::View(View::OutputsText)),
    kind("outputs_expired", OUTCOME, Effect::View(View::OutputsExpired)),
    takes(kind("outputs_url", OUTCOME, Effect::View(View::OutputsUrl)), &["url"]),
    kind("nsfw", OUTCOME, Effect::View(View::Nsfw)),
    kind("missing_url", UPLOAD, Effect::Shape(Shape::MissingUrl)),
    kind("top_level_url", UPLOAD, Effect::Shape(Shape::TopLevelUrl)),
    kind("data_url", UPLOAD, Effect::Shape(Shape::DataUrl)),
    kind("short_names", UPLOAD, Effect::Shape(Shape::ShortNames)),
];

/// An effect made of a status.
type WithStatus = fn(StatusCode) -> Effect;

/// The kinds that are named with a status, and whether they charge.
const NUMBERED: [(&str, bool, WithStatus); 4] = [
    ("status_", false, Effect::Status),
    ("html_", false, Effect::Html),
    ("redirect_", false, Effect::Redirect),
    ("charged_then_", true, Effect::Status),
];

impl Gate {
    pub(super) fn named(word: &str) -> Option<Self> {
        let words =
            ["submit", "poll", "download", "upload", "history", "quote", "models", "balance"];
        let at = words.iter().position(|known| *known == word)?;
        ALL.get(at).copied()
    }
}

impl Kind {
    /// The row of a name on a gate, and the gate it counts on.
    pub(super) fn find(name: &str, on: Gate) -> Option<(Self, Gate)> {
        let row = KINDS.iter().find_map(|row| {
            let counts = if on == Gate::Poll { [on, Gate::Outcome] } else { [on, on] };
            let gate = counts.into_iter().find(|gate| row.on.contains(gate));
            gate.filter(|_| row.name == name).map(|gate| (*row, gate))
        });
        row.or_else(|| Some((Self::numbered(name, on)?, on)))
    }

    fn numbered(name: &str, on: Gate) -> Option<Self> {
        NUMBERED.iter().find_map(|&(prefix, charged, effect)| {
            let status: u16 = name.strip_prefix(prefix)?.parse().ok()?;
            let sane = (200..=599).contains(&status) && (!charged || on == Gate::Submit);
            Some(Self {
                name: prefix,
                on: ALL,
                effect: effect(StatusCode::from_u16(status).ok().filter(|_| sane)?),
                charged,
                takes: &["message", "retry_after", "url"],
            })
        })
    }

    pub(super) fn names(on: Gate) -> impl Iterator<Item = &'static str> {
        let fits = move |row: &&Kind| {
            row.on.contains(&on) || (on == Gate::Poll && row.on.contains(&Gate::Outcome))
        };
        let numbered = NUMBERED.iter().map(|(prefix, ..)| *prefix);
        KINDS.iter().filter(fits).map(|row| row.name).chain(numbered)
    }
}
