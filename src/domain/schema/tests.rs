//! Schemas of every form, good and hostile, and what they say about requests.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::*;

fn schema(input: &Value) -> Schema {
    Schema::read(&json!({ "components": { "schemas": { "Input": input } } })).unwrap()
}

fn params(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// The messages about a request to the model `m`.
fn told(schema: &Schema, request: &Value) -> Vec<String> {
    schema.check("m", &params(request)).into_iter().map(|fault| fault.message).collect()
}

fn hailuo() -> Schema {
    schema(&json!({
        "type": "object",
        "required": ["model", "image", "duration"],
        "x-order-properties": ["image", "prompt", "duration"],
        "properties": {
            "model": { "type": "string" },
            "duration": { "type": "integer", "enum": [6, 10], "default": 6 },
            "prompt": { "type": "string", "maxLength": 10 },
            "image": { "type": "string", "format": "uri", "x-accept": "image/*", "pattern": "^https:" },
            "seed": { "type": "integer", "minimum": -1, "maximum": 99 },
            "go_fast": { "type": "boolean" },
        },
    }))
}

#[test]
fn a_right_request_has_no_faults() {
    let schema = hailuo();
    let whole =
        json!({ "image": "https://x/y.png", "prompt": "a", "duration": 10, "go_fast": true });
    assert_eq!(told(&schema, &whole), Vec::<String>::new());
    let placeholder = format!("upload:sha256-{}.png", "0".repeat(64));
    // What has a default need not be sent, and a file stands as its hash.
    assert_eq!(told(&schema, &json!({ "image": placeholder })), Vec::<String>::new());
}

#[test]
fn parameters_are_in_the_order_of_the_page_and_the_model_is_none_of_them() {
    let schema = hailuo();
    let names: Vec<&str> = schema.params().iter().map(|param| param.name.as_str()).collect();
    assert_eq!(names, ["image", "prompt", "duration", "go_fast", "seed"]);
    let image = schema.param("image").unwrap();
    assert_eq!((image.medium, image.type_word().as_str()), (Some(Medium::Image), "image"));
    assert!(image.required && !schema.param("duration").unwrap().required);
    assert_eq!(schema.param("seed").unwrap().limits(), "from -1 to 99");
}

#[test]
fn every_mistake_says_what_was_found_and_what_is_taken() {
    let schema = hailuo();
    let cases = [
        (json!({}), "m needs `image`"),
        (json!({ "image": " " }), "m needs `image`"),
        (json!({ "image": "x", "duration": 7 }), "`duration` is 7; m takes one of 6, 10"),
        (json!({ "image": "x", "duration": "6" }), "`duration` is `6`; m takes one of 6, 10"),
        (
            json!({ "image": "x", "seed": 100 }),
            "`seed` is 100; m takes a whole number from -1 to 99",
        ),
        (json!({ "image": "x", "go_fast": "yes" }), "`go_fast` is `yes`; m takes true or false"),
        (
            json!({ "image": "x", "prompt": "more than ten" }),
            "`prompt` is `more than ten`; m takes a text of at most 10 characters",
        ),
        (
            json!({ "image": "x", "durration": 6 }),
            "unknown parameter `durration`, did you mean `duration`?",
        ),
        (
            json!({ "image": "x", "camera_motion": 6 }),
            "unknown parameter `camera_motion`; m takes image, prompt, duration, go_fast, seed",
        ),
    ];
    for (request, message) in cases {
        assert_eq!(told(&schema, &request), [message], "{request}");
    }
}

#[test]
fn a_wrong_word_brings_the_nearest_right_one() {
    let schema =
        schema(&json!({ "properties": { "ratio": { "enum": ["16:9", "9:16", "square"] } } }));
    assert_eq!(
        told(&schema, &json!({ "ratio": "sqare" })),
        ["`ratio` is `sqare`; m takes one of `16:9`, `9:16`, `square`; did you mean `square`?"]
    );
}

#[test]
fn items_of_lists_are_told_by_their_number() {
    let schema = schema(&json!({ "properties": {
        "sizes": { "type": "array", "items": { "type": "integer" }, "maxItems": 3 },
    } }));
    assert_eq!(told(&schema, &json!({ "sizes": [1, 2, 3] })), Vec::<String>::new());
    assert_eq!(
        told(&schema, &json!({ "sizes": [1, "b"] })),
        ["item 2 of `sizes` is `b`; m takes a whole number"]
    );
    assert_eq!(
        told(&schema, &json!({ "sizes": [1, 2, 3, 4] })),
        ["`sizes` is a list of 4 items; m takes a list of at most 3 items"]
    );
}

#[test]
fn references_alternatives_and_nullable_are_understood() {
    let document = json!({
        "components": { "schemas": {
            "Input": { "allOf": [{ "$ref": "#/components/schemas/Base" }], "required": ["prompt"] },
            "Base": { "properties": {
                "prompt": { "$ref": "#/components/schemas/Words" },
                "size": { "anyOf": [{ "type": "integer", "maximum": 9 }, { "enum": ["auto"] }] },
                "seed": { "type": "integer", "nullable": true },
            } },
            "Words": { "type": "string", "minLength": 2 },
        } },
    });
    let schema = Schema::read(&document).unwrap();
    let right = json!({ "prompt": "ab", "size": "auto", "seed": null });
    assert_eq!(told(&schema, &right), Vec::<String>::new());
    assert_eq!(told(&schema, &json!({})), ["m needs `prompt`"]);
    assert_eq!(
        told(&schema, &json!({ "prompt": "a", "size": 10 })),
        [
            "`prompt` is `a`; m takes a text of at least 2 characters",
            "`size` is 10; m takes a whole number up to 9 or `auto`",
        ]
    );
}

#[test]
fn a_model_may_need_one_of_several() {
    let schema = schema(&json!({
        "properties": { "prompt": { "type": "string" }, "image": { "type": "string" } },
        "anyOf": [{ "required": ["prompt"] }, { "required": ["image"] }],
    }));
    assert_eq!(told(&schema, &json!({ "image": "x" })), Vec::<String>::new());
    assert_eq!(
        told(&schema, &json!({})),
        ["these parameters do not go together for m; it needs `prompt`, or `image`"]
    );
}

#[test]
fn parts_put_together_bind_together_and_not_against_each_other() {
    let schema = schema(&json!({ "allOf": [
        {
            "properties": { "image": { "type": "string", "format": "uri", "pattern": "^https:" } },
            "required": ["image"], "additionalProperties": false,
        },
        { "properties": { "size": { "type": "integer", "default": 6 } }, "required": ["size"] },
    ] }));
    let file = format!("upload:sha256-{}.png", "0".repeat(64));
    assert_eq!(told(&schema, &json!({ "image": file })), Vec::<String>::new());
    assert_eq!(told(&schema, &json!({ "size": 7 })), ["m needs `image`"]);
}

#[test]
fn a_parameter_may_be_called_like_a_keyword() {
    let schema = schema(&json!({ "properties": { "layout": {
        "type": "object", "format": "x", "pattern": "(",
        "properties": { "pattern": { "type": "integer" } },
    } } }));
    assert_eq!(told(&schema, &json!({ "layout": { "pattern": 1 } })), Vec::<String>::new());
    assert_eq!(
        told(&schema, &json!({ "layout": { "pattern": "x" } })),
        ["something in the table `layout` does not fit what m takes"]
    );
}

#[test]
fn the_input_may_stand_in_a_request_body_only() {
    let input = json!({ "properties": { "text": { "type": "string" } }, "required": ["text"] });
    let inline = json!({ "paths": { "/x": { "post": {
        "requestBody": { "content": { "application/json": { "schema": input } } },
    } } } });
    let body = json!({ "$ref": "#/components/requestBodies/B" });
    let referred = json!({
        "paths": { "/x": { "get": {}, "post": { "requestBody": body } } },
        "components": { "requestBodies": { "B": { "content": { "text/json": { "schema": input } } } } },
    });
    for document in [inline, referred] {
        let schema = Schema::read(&document).unwrap();
        assert_eq!(told(&schema, &json!({})), ["m needs `text`"]);
    }
}

#[test]
fn documents_that_say_nothing_are_no_schemas() {
    for document in [json!({}), json!([]), json!({ "openapi": "3.0.0", "paths": 7 })] {
        assert_eq!(Schema::read(&document).unwrap_err(), NoSchema::NoInput);
    }
    for input in [json!({}), json!({ "properties": [] }), json!({ "$ref": "#/nowhere" })] {
        let document = json!({ "components": { "schemas": { "Input": input } } });
        assert_eq!(Schema::read(&document).unwrap_err(), NoSchema::NoParameters);
    }
}

#[test]
fn what_makes_no_sense_in_a_schema_is_left_out() {
    let schema = schema(&json!({ "properties": { "a": {
        "type": "file", "enum": [], "minimum": "low", "maxLength": -4, "pattern": "(", "multipleOf": 0.1,
        "required": 7, "anyOf": [], "items": 3, "$ref": "https://example.com/other.json",
    } } }));
    assert_eq!(told(&schema, &json!({ "a": 0.3 })), Vec::<String>::new());
    assert_eq!(told(&schema, &json!({ "a": "text" })), Vec::<String>::new());
}

#[test]
fn exclusive_bounds_of_older_drafts_are_bounds() {
    let schema = schema(&json!({ "properties": {
        "cfg": { "type": "number", "minimum": 0, "exclusiveMinimum": true, "maximum": 1 },
    } }));
    assert_eq!(told(&schema, &json!({ "cfg": 0.5 })), Vec::<String>::new());
    assert_eq!(
        told(&schema, &json!({ "cfg": 0 })),
        ["`cfg` is 0; m takes a number from above 0 to 1"]
    );
}

#[test]
fn recursion_depth_and_size_end_somewhere() {
    let recursive = json!({ "components": { "schemas": {
        "Input": { "properties": {
            "node": { "$ref": "#/components/schemas/Node" },
            "self": { "$ref": "#/components/schemas/Input" },
        } },
        "Node": { "properties": { "next": { "$ref": "#/components/schemas/Node" } } },
    } } });
    // Each level refers to the next one twice: 2^40 places, were they all followed.
    let mut levels = Map::new();
    for n in 0..40 {
        let next = json!({ "$ref": format!("#/components/schemas/L{}", n + 1) });
        levels.insert(format!("L{n}"), json!({ "properties": { "a": next, "b": next } }));
    }
    let first = json!({ "$ref": "#/components/schemas/L0" });
    levels.insert("Input".to_owned(), json!({ "properties": { "p": first } }));
    let wide = json!({ "components": { "schemas": levels } });
    let many: Map<String, Value> =
        (0..20_000).map(|n| (format!("p{n}"), json!({ "enum": [n, "x"] }))).collect();
    let many = json!({ "components": { "schemas": { "Input": { "properties": many } } } });
    let since = Instant::now();
    for document in [recursive, wide, many] {
        let schema = Schema::read(&document).unwrap();
        assert!(!schema.params().is_empty());
        let request = json!({ "node": { "next": {} }, "p": { "a": 1 }, "p7": 7 });
        assert!(schema.check("m", &params(&request)).len() < 10);
    }
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
}

#[test]
fn unknown_parameters_pass_where_the_schema_is_open() {
    let open = schema(&json!({ "properties": { "a": {} }, "additionalProperties": true }));
    assert_eq!(told(&open, &json!({ "b": 1 })), Vec::<String>::new());
    let closed = schema(&json!({ "properties": { "a": {} } }));
    assert_eq!(told(&closed, &json!({ "webhook_url": "https://x/y" })), Vec::<String>::new());
    assert_eq!(told(&closed, &json!({ "bcdef": 1 })), ["unknown parameter `bcdef`; m takes a"]);
}

#[test]
fn a_hundred_thousand_rows_are_checked_quickly() {
    let schema = hailuo();
    let request = params(&json!({ "image": "https://x/y.png", "prompt": "a", "duration": 10 }));
    let since = Instant::now();
    for _ in 0..100_000 {
        assert!(schema.check("m", &request).is_empty());
    }
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
}
