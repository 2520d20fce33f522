//! Faults: what goes wrong on purpose, when, and to whom.
//!
//! ```toml
//! [[fault]]
//! on = "submit"            # submit | poll | download | upload | history | quote | models | balance
//! kind = "status_503"
//! # which requests (all that are given must hold; none given: every request):
//! match = "a red fox"      # part of the job's prompt or body; of the file name of an upload
//! nth = [3, 7]             # the 3rd and 7th request of this kind, counted from 1
//! per = "job"              # count `nth` and `times` for each job body by itself, and draw
//!                          # `probability` once for each job instead of for each request
//! probability = 0.05       # by seed, body and occurrence: the order of requests does not matter
//! times = 2                # at most so often
//! ```
//!
//! The first rule that holds is the one that acts. What counts as a request of the kinds marked
//! with `*` is a poll that finds its prediction completed. Every kind takes `for` (real time, not
//! scaled: clients' timeouts are real): how long to wait before the answer. On `submit`, `charged`
//! says whether the prediction is made and charged although the answer does not say so.
//!
//! | on | kind | what happens |
//! |---|---|---|
//! | any | `status_NNN` | that HTTP status with the API's error envelope; `message`, `retry_after` (`"7"`, or `"date+7s"` for an HTTP date) |
//! | any | `html`, `html_NNN` | a web page, with status 200 or NNN |
//! | any | `garbage`, `empty_body` | 200, and not JSON or nothing at all |
//! | any | `close`, `reset` | end of stream, or reset, without an answer |
//! | any | `close_before_read` | reset before the body was read |
//! | any | `cut_status_line`, `cut_headers`, `cut_body` | the true answer, cut there |
//! | any | `slow` | the true answer after `for` |
//! | any | `redirect_NNN` | to `url`; default: this simulator under the name `localhost`, where `/__sink` counts |
//! | JSON | `code_in_200` | 200 whose `code` is `code` (default 500) |
//! | JSON | `cut_json`, `text_plain`, `string_code`, `deep_json`, `huge_json` | the true answer: half; as text; with `"200"`; 100,000 levels; 50 MB |
//! | submit | `charged_then_NNN`, `charged_then_reset`, `charged_then_close`, `charged_then_timeout` | made and charged, then that (`charged_then_timeout` closes after `for`) |
//! | submit | `close_after_read` | the same as `close` |
//! | submit | `lands_late` | reset; made and charged `for` later |
//! | submit | `missing_id`, `null_id`, `number_id`, `empty_id`, `huge_id`, `wild_id`, `repeated_id` | made and charged; the id in the answer is not usable |
//! | submit | `failed_later`, `failed_later_5xx`, `timeout_later`, `moderation`, `never_finishes` | made and charged; how the generation ends; `word`, `message`, `code` |
//! | submit, poll | `bare_object`, `nested_data`, `prediction_id_key`, `null_data` | other shapes of the envelope |
//! | poll | `unknown_status` | the status is `word` (default `paused`) |
//! | poll | `other_id` | the answer is about another prediction |
//! | poll | `error_object` | `error` is an object |
//! | poll | `flap`* | once more `processing` |
//! | poll | `final_word`* | the status is `word` (default `succeeded`) |
//! | poll | `outputs_empty`*, `outputs_null`*, `outputs_missing`*, `outputs_objects`*, `output_string`*, `outputs_duplicate`*, `outputs_many`* (`count`), `outputs_data_uri`*, `outputs_base64`*, `outputs_text`*, `outputs_expired`*, `outputs_url`* (`url`), `nsfw`* | outputs of that shape |
//! | download | `truncated`, `reset` | half the body, then the end, or a reset |
//! | download | `longer`, `two_lengths` | more bytes than announced; two different lengths |
//! | download | `no_length`, `no_length_cut` | ended by closing, whole or half |
//! | download | `wrong_type` (`content_type`), `wrong_magic` | the type does not fit; HTML under the right type |
//! | download | `slow`, `stall` | spread over `for`; half, then silence for `for` |
//! | download | `oversize` (`bytes`) | never ends, or only after `bytes` |
//! | download | `redirect` (`hops`), `redirect_loop`, `redirect_private`, `redirect_to` (`url`) | redirects |
//! | download | `wrong_range`, `range_ignored`, `changed_etag`, `weak_etag`, `no_etag` | ranges and validators that lie |
//! | download | `expired` | 404, as after the media's lifetime |
//! | upload | `missing_url`, `top_level_url`, `data_url`, `short_names` | other shapes of the answer |

mod kinds;

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::Value;

use crate::domain::text;

use self::kinds::{Kind, PARAMETERS};
use super::reader::{self, Section};

/// The most outputs `outputs_many` may give.
const MOST_OUTPUTS: u64 = 100_000;
/// The most bytes `oversize` may send; without a number it never ends.
const MOST_BYTES: u64 = 1_000_000_000_000;

/// Where a fault acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Gate {
    Submit,
    Poll,
    /// A poll that finds its prediction completed.
    Outcome,
    Download,
    Upload,
    History,
    Quote,
    Models,
    Balance,
}

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The API's error envelope with a status.
    Status(StatusCode),
    Html(StatusCode),
    Redirect(StatusCode),
    CodeIn200,
    Garbage,
    EmptyBody,
    Close,
    Reset,
    ResetBeforeRead,
    LandsLate,
    Cut(Cut),
    Slow,
    Shape(Shape),
    Fate(Fated),
    View(View),
    File(FileFault),
}

/// Where a true answer is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    StatusLine,
    Headers,
    Body,
}

/// How a true JSON answer is bent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Half,
    TextPlain,
    StringCode,
    Deep,
    Huge,
    MissingId,
    NullId,
    NumberId,
    EmptyId,
    HugeId,
    WildId,
    RepeatedId,
    BareObject,
    NestedData,
    PredictionIdKey,
    NullData,
    MissingUrl,
    TopLevelUrl,
    DataUrl,
    ShortNames,
}

/// How a generation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fated {
    Fails,
    FailsBy5xx,
    TimesOut,
    Moderated,
    NeverFinishes,
}

/// What a poll shows instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    UnknownStatus,
    OtherId,
    ErrorObject,
    Flap,
    FinalWord,
    OutputsEmpty,
    OutputsNull,
    OutputsMissing,
    OutputsObjects,
    OutputString,
    OutputsDuplicate,
    OutputsMany,
    OutputsDataUri,
    OutputsBase64,
    OutputsText,
    OutputsExpired,
    OutputsUrl,
    Nsfw,
}

/// What is wrong with a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFault {
    Truncated,
    Reset,
    Longer,
    TwoLengths,
    NoLength,
    NoLengthCut,
    WrongType,
    WrongMagic,
    Slow,
    Stall,
    Oversize,
    Redirect,
    RedirectLoop,
    RedirectPrivate,
    RedirectTo,
    WrongRange,
    RangeIgnored,
    ChangedEtag,
    WeakEtag,
    NoEtag,
    Expired,
}

/// One `[[fault]]`.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) gate: Gate,
    /// The kind as written.
    pub(super) kind: String,
    pub(super) effect: Effect,
    /// Whether a submission is charged although its answer is spoilt.
    pub(super) charged: bool,
    pub(super) select: Select,
    pub(super) with: Parameters,
}

/// Which requests a rule is about.
#[derive(Clone, Debug)]
pub(super) struct Select {
    pub(super) matches: Option<String>,
    pub(super) nth: Option<Vec<u64>>,
    pub(super) per_job: bool,
    pub(super) probability: Option<f64>,
    pub(super) times: Option<u64>,
}

/// What a kind may be told.
#[derive(Clone, Debug)]
pub(super) struct Parameters {
    pub(super) wait: Duration,
    pub(super) code: Option<Value>,
    pub(super) word: Option<String>,
    pub(super) message: Option<String>,
    pub(super) retry_after: Option<String>,
    pub(super) url: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) hops: u64,
    pub(super) count: u64,
    pub(super) bytes: Option<u64>,
}

impl Shape {
    /// Whether nobody can read the true id out of what is left.
    pub(super) fn hides_id(self) -> bool {
        matches!(
            self,
            Self::MissingId
                | Self::NullId
                | Self::NumberId
                | Self::EmptyId
                | Self::HugeId
                | Self::WildId
                | Self::RepeatedId
                | Self::NullData
                | Self::Half
                | Self::Deep
        )
    }
}

impl Effect {
    /// Whether it changes an answer rather than replacing it.
    fn needs_answer(self) -> bool {
        matches!(self, Self::Cut(_) | Self::Slow | Self::Shape(_) | Self::Fate(_))
    }
}

impl Rule {
    /// Reads one `[[fault]]`; what is wrong with it is noted at the section's source.
    pub(super) fn read(section: Section<'_, '_>) -> Option<Self> {
        let found = read_kind(&section);
        let select = read_select(&section);
        let with = read_parameters(&section);
        let charge = section.read("charged", reader::flag);
        let (name, kind, gate) = found?;
        for parameter in PARAMETERS {
            if section.has(parameter) && !kind.takes.contains(parameter) {
                section.says_at(parameter, format!("`{parameter}` means nothing to `{name}`"));
            }
        }
        let bounds =
            [("count", with.count, MOST_OUTPUTS), ("bytes", with.bytes.unwrap_or(0), MOST_BYTES)];
        for (key, value, most) in bounds {
            if value > most {
                section.says_at(key, format!("`{key}` must be at most {most}"));
            }
        }
        if charge.is_some() && gate != Gate::Submit {
            section.says_at("charged", "only submissions are charged");
        }
        if charge == Some(false) && kind.charged && kind.effect.needs_answer() {
            section.says_at("charged", format!("`{name}` needs an answer, so it always charges"));
        }
        section.finish();
        Some(Self {
            gate,
            kind: name,
            effect: kind.effect,
            charged: charge.unwrap_or(kind.charged),
            select,
            with,
        })
    }

    /// Whether the rule can be decided before anything of the request's body was read.
    pub(super) fn acts_unread(&self) -> bool {
        let select = &self.select;
        let blind = select.matches.is_none() && !select.per_job && select.probability.is_none();
        self.effect == Effect::ResetBeforeRead && blind && !self.charged
    }
}

fn read_kind(section: &Section<'_, '_>) -> Option<(String, Kind, Gate)> {
    let on = section.need("on", reader::string);
    let name = section.need("kind", reader::string);
    let (on, name) = (on?, name?);
    let Some(gate) = Gate::named(&on) else {
        let known = "submit, poll, download, upload, history, quote, models or balance";
        section.says_at("on", format!("`{on}` is not a place for faults; write {known}"));
        return None;
    };
    let Some((kind, gate)) = Kind::find(&name, gate) else {
        let hint = text::nearest(&name, Kind::names(gate))
            .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        section.says_at("kind", format!("`{name}` is not a fault of `{on}`{hint}"));
        return None;
    };
    Some((name, kind, gate))
}

fn read_select(section: &Section<'_, '_>) -> Select {
    let per = section.read("per", reader::string);
    if per.as_deref().is_some_and(|per| per != "job") {
        section.says_at("per", "`per` can only be \"job\"");
    }
    Select {
        matches: section.read("match", reader::string),
        nth: section.read("nth", reader::ordinals),
        per_job: per.is_some(),
        probability: section.read("probability", reader::share),
        times: section.read("times", reader::whole),
    }
}

fn read_parameters(section: &Section<'_, '_>) -> Parameters {
    Parameters {
        wait: section.read("for", reader::duration).unwrap_or_default(),
        code: section.read("code", reader::scalar),
        word: section.read("word", reader::string),
        message: section.read("message", reader::string),
        retry_after: section.read("retry_after", reader::string),
        url: section.read("url", reader::string),
        content_type: section.read("content_type", reader::string),
        hops: section.read("hops", reader::whole).unwrap_or(1),
        count: section.read("count", reader::whole).unwrap_or(1000),
        bytes: section.read("bytes", reader::whole),
    }
}
