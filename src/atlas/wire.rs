//! What goes over the wire to and from the API (atlas-api.md), and nothing else.
//! The simulator shares this file and no other of this room.

/// Paths below the base URL (atlas-api.md, section 1).
pub mod path {
    /// Submit a video job.
    pub const GENERATE_VIDEO: &str = "/api/v1/model/generateVideo";
    /// Submit an image or 3D job.
    pub const GENERATE_IMAGE: &str = "/api/v1/model/generateImage";
    /// Submit a speech, music or transcription job.
    pub const GENERATE_AUDIO: &str = "/api/v1/model/generateAudio";
    /// Poll: followed by `/` and the percent-encoded id.
    pub const PREDICTION: &str = "/api/v1/model/prediction";
    /// The key's past tasks.
    pub const HISTORY: &str = "/api/v1/model/history";
    /// A price quote for a submit body.
    pub const CALCULATE: &str = "/api/v1/model/calculate";
    /// Multipart upload, one part named `file`.
    pub const UPLOAD_MEDIA: &str = "/api/v1/model/uploadMedia";
    /// The public catalogue, no key.
    pub const MODELS: &str = "/api/v1/models";
    /// The account's balance.
    pub const BALANCE: &str = "/public/v1/balance";
}
