//! API descriptions in both formats and all versions; damaged and hostile ones.

mod support;

use std::fmt::Write;

use extract::model::{Block, BlockKind, Error, Limits, ParsedDocument};
use support::{Random, mutated};

fn read(text: &str, name: &str) -> Result<ParsedDocument, Error> {
    extract::openapi::read(text.as_bytes(), name, &Limits::default())
}

/// Returns the block with this anchor and its text.
fn section<'a>(parsed: &'a ParsedDocument, anchor: &str) -> (&'a str, &'a Block) {
    let block = parsed.blocks.iter().find(|block| block.anchor.as_deref() == Some(anchor)).expect("a block");
    (&parsed.text[block.range.clone()], block)
}

const OPENAPI_3: &str = r#"
openapi: 3.1.0
info:
  title: Garden API
  version: "2.1"
  description: |
    Everything about gardens.

    # Limits
    Ten requests a second.
servers:
  - {url: https://api.garden.example/v2, description: production}
security: [{token: []}]
tags:
  - name: beds
    description: Beds and what grows in them.
paths:
  /beds/{bed}:
    parameters:
      - $ref: '#/components/parameters/bed'
    get:
      tags: [beds]
      operationId: getBed
      summary: Get a bed
      description: "One bed | with its plants."
      deprecated: true
      security: []
      parameters:
        - {name: depth, in: query, schema: {type: integer, format: int32, default: 1, maximum: 9}}
      responses:
        200: {description: The bed, content: {application/json: {schema: {$ref: '#/components/schemas/Bed'}}}}
        "404": {$ref: '#/components/responses/missing'}
    put:
      tags: [beds]
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              required: [name]
              properties:
                name: {type: string, description: What it is called, enum: [rose, "no"]}
                soil: {type: object, properties: {ph: {type: [number, "null"]}}}
                plants: {type: array, items: {type: object, properties: {kind: {$ref: '#/components/schemas/Plant'}}}}
      responses: {204: {description: Done}}
  /health:
    get: {responses: {default: {description: ok}}}
webhooks:
  bedWatered: {post: {operationId: onWatered, responses: {200: {description: ok}}}}
components:
  securitySchemes: {token: {type: http, scheme: bearer}}
  parameters:
    bed: {name: bed, in: path, required: true, description: "The bed's number.", schema: {type: string}}
  responses:
    missing: {description: No such bed}
  schemas:
    Bed:
      description: A bed.
      type: object
      required: [id]
      properties:
        id: {type: integer}
        neighbour: {$ref: '#/components/schemas/Bed'}
        owner: {oneOf: [{$ref: '#/components/schemas/Person'}, {type: string}], nullable: true}
    Plant: {type: string, enum: [oak, elm]}
    Tree: {allOf: [{$ref: '#/components/schemas/Plant'}, {type: object, properties: {height: {type: number}}}]}
"#;

#[test]
fn operations_and_schemas_of_openapi_3_are_read() {
    let parsed = read(OPENAPI_3, "garden.yaml").expect("a description");
    assert_eq!(parsed.title.as_deref(), Some("Garden API"));
    assert!(
        parsed.text.starts_with("# Garden API\n\nVersion 2.1\n\nEverything about gardens.\n\n## Limits\n\n")
    );
    assert!(parsed.text.contains("- `https://api.garden.example/v2` – production"));
    assert!(parsed.text.contains("\n## beds\n\nBeds and what grows in them.\n"));
    let (text, block) = section(&parsed, "getBed");
    assert_eq!(
        text,
        "### GET /beds/{bed}\n\nGet a bed\n\n**Deprecated.**\n\nOne bed | with its plants.\n\nOperation: `getBed`\n\n\
         **Parameters**\n\n| Name | In | Type | Required | Description |\n| --- | --- | --- | --- | --- |\n\
         | `bed` | path | string | yes | The bed's number. |\n\
         | `depth` | query | integer (int32) |  | Default: `1`. Maximum: `9`. |\n\n\
         **Responses**\n\n| Status | Description | Content | Schema |\n| --- | --- | --- | --- |\n\
         | `200` | The bed | `application/json` | Bed |\n| `404` | No such bed |  |  |\n\nSecurity: none"
    );
    assert_eq!(
        (&block.kind, &block.keywords[..]),
        (&BlockKind::Api, &["GET /beds/{bed}".to_owned(), "getBed".to_owned()][..])
    );
    let (text, _) = section(&parsed, "put-beds-bed");
    assert!(text.contains("**Request body** (required): `application/json` object"), "{text}");
    assert!(text.contains("| `name` | string | yes | What it is called. One of: `rose`, `no`. |"), "{text}");
    assert!(text.contains("| `soil.ph` | number or null |  |  |"), "{text}");
    assert!(
        text.contains("| `plants` | array of object |  |  |\n| `plants[].kind` | Plant |  |  |"),
        "{text}"
    );
    assert!(text.ends_with("Security: `token`"), "{text}");
    assert!(section(&parsed, "get-health").0.contains("| `default` | ok |"));
    assert!(section(&parsed, "onWatered").0.starts_with("### POST webhook bedWatered"));
    let (text, block) = section(&parsed, "schema-Bed");
    assert!(text.starts_with("### Bed\n\nA bed.\n\nType: object\n\n"), "{text}");
    assert!(
        text.contains("| `neighbour` | Bed |  |  |\n| `owner` | Person or string or null |  |  |"),
        "{text}"
    );
    assert_eq!(block.keywords, ["Bed"]);
    assert!(section(&parsed, "schema-Plant").0.contains("Type: string\n\nOne of: `oak`, `elm`."));
    assert!(section(&parsed, "schema-Tree").0.contains("Type: Plant and object\n\n| Field |"));
}

#[test]
fn swagger_2_in_json_is_read() {
    let text = r##"{"swagger": "2.0", "info": {"title": "Pets", "version": 1}, "host": "pets.example", "basePath": "/v1",
      "schemes": ["http"], "consumes": ["application/json"], "produces": ["application/json"],
      "securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
      "paths": {"/pets": {
        "post": {"tags": ["pet"], "operationId": "addPet", "security": [{"key": ["write"]}],
          "parameters": [{"in": "body", "name": "body", "required": true, "description": "The pet", "schema": {"$ref": "#/definitions/Pet"}},
                         {"$ref": "#/parameters/trace"}],
          "responses": {"201": {"description": "Added", "schema": {"$ref": "#/definitions/Pet"}}}},
        "patch": {"consumes": ["multipart/form-data"],
          "parameters": [{"in": "formData", "name": "photo", "type": "file", "required": true},
                         {"in": "query", "name": "tags", "type": "array", "items": {"type": "string", "enum": ["a"]}}],
          "responses": {}}}},
      "parameters": {"trace": {"in": "header", "name": "Trace", "type": "string"}},
      "definitions": {"Pet": {"type": "object", "properties": {"tag": {"type": "string", "x-nullable": true}}}}}"##;
    let parsed = read(text, "pets.json").expect("a description");
    assert!(parsed.text.contains("- `http://pets.example/v1`"), "{}", parsed.text);
    assert!(parsed.text.contains("| `key` | apiKey, in: header, name: X-Key |  |"), "{}", parsed.text);
    let (text, _) = section(&parsed, "addPet");
    assert!(text.contains("| `Trace` | header | string |  |  |"), "{text}");
    assert!(text.contains("**Request body** (required): `application/json` Pet\n\nThe pet"), "{text}");
    assert!(text.contains("| `201` | Added | `application/json` | Pet |"), "{text}");
    assert!(text.contains("Security: `key` (write)"), "{text}");
    let (text, _) = section(&parsed, "patch-pets");
    assert!(text.contains("**Form data**: `multipart/form-data`\n\n"), "{text}");
    assert!(text.contains("| `photo` | file | yes |  |"), "{text}");
    assert!(text.contains("| `tags` | query | array of string |  | One of: `a`. |"), "{text}");
    assert!(section(&parsed, "schema-Pet").0.contains("| `tag` | string or null |  |  |"));
}

#[test]
fn other_files_are_refused_with_a_reason() {
    let reason = |text: &str, name: &str| match read(text, name) {
        Err(Error::Malformed { format: "OpenAPI", reason }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(reason("{\"a\": 1}", "a.json").contains("`openapi` or `swagger` is missing"));
    assert!(reason("{\"openapi\": ", "a.json").starts_with("not valid JSON: EOF"));
    assert!(reason("a: [", "a.yaml").starts_with("not valid YAML"));
    assert!(reason("just words", "a.yaml").contains("missing"));
    assert!(matches!(
        extract::openapi::read(b"\xff\xfe{", "a.json", &Limits::default()),
        Err(Error::Malformed { .. })
    ));
    // A minimal description in which every part has the wrong type.
    let odd = "{openapi: 3.0.0, info: [], paths: {/a: {get: 7, put: {parameters: {a: b}, responses: [], tags: x}}}, components: {schemas: {A: true}}}";
    let parsed = read(odd, "a.yaml").expect("a description");
    assert!(
        parsed.text.contains("### PUT /a") && parsed.text.contains("### A\n\nType: any"),
        "{}",
        parsed.text
    );
}

#[test]
fn circular_references_are_named_and_not_followed() {
    let text = r##"{"openapi": "3.0.0", "paths": {"/a": {"$ref": "#/paths/~1b"}, "/b": {"$ref": "#/paths/~1a"},
      "/c": {"get": {"parameters": [{"$ref": "#/components/parameters/x"}], "responses": {"200": {"$ref": "#/nowhere"}}}}},
      "components": {"parameters": {"x": {"$ref": "#/components/parameters/x"}},
        "schemas": {"A": {"allOf": [{"$ref": "#/components/schemas/A"}]}, "B": {"$ref": "other.yaml#/B~1C"}}}}"##;
    let parsed = read(text, "a.json").expect("a description");
    assert!(section(&parsed, "schema-A").0.contains("Type: A"));
    assert!(section(&parsed, "schema-B").0.contains("Type: B/C"));
}

#[test]
fn alias_bombs_and_deep_nesting_are_stopped_at_the_limits() {
    let mut bomb = String::from("openapi: 3.0.0\na0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let before = level - 1;
        let items = vec![format!("*a{before}"); 9].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{items}]").expect("a string");
    }
    assert!(matches!(read(&bomb, "a.yaml"), Err(Error::Malformed { .. } | Error::TooLarge { .. })));
    let circle = "openapi: 3.0.0\npaths: &p\n  /a: *p\n";
    let circle = read(circle, "a.yaml");
    assert!(matches!(circle, Err(Error::Malformed { .. } | Error::TooLarge { .. })), "{circle:?}");
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
    for text in [deep("[", "]"), deep("{\"a\":", "}")] {
        let json = format!("{{\"openapi\": \"3.0.0\", \"x\": {text}}}");
        assert!(matches!(read(&json, "a.json"), Err(Error::TooLarge { unit: "levels of nesting", .. })));
        let yaml = read(&json, "a.yaml");
        assert!(matches!(yaml, Err(Error::TooLarge { .. } | Error::Malformed { .. })), "{yaml:?}");
    }
    let block = format!("openapi: 3.0.0\nx: {}1", "- ".repeat(100_000));
    assert!(matches!(read(&block, "a.yaml"), Err(Error::TooLarge { .. } | Error::Malformed { .. })));
    // One long description, referenced 100,000 times.
    let items = vec!["{\"$ref\": \"#/components/parameters/x\"}"; 100_000].join(",");
    let text = format!(
        "{{\"openapi\": \"3.0.0\", \"paths\": {{\"/a\": {{\"get\": {{\"parameters\": [{items}]}}}}}},
          \"components\": {{\"parameters\": {{\"x\": {{\"description\": \"{}\"}}}}}}}}",
        "long ".repeat(200_000)
    );
    let limits = Limits { text_bytes: 1 << 20, ..Limits::default() };
    let read = extract::openapi::read(text.as_bytes(), "a.json", &limits);
    assert!(
        matches!(read, Err(Error::TooLarge { unit: "bytes of text", .. })),
        "{:?}",
        read.map(|parsed| parsed.text.len())
    );
}

#[test]
fn damaged_descriptions_never_panic() {
    let json = "{\"openapi\": \"3.0.0\", \"info\": {\"title\": \"a\"}, \"paths\": {\"/a\": {\"get\": {\"tags\": [\"t\"], \"responses\": {\"200\": {}}}}}}";
    let mut random = Random(3);
    for text in [OPENAPI_3, json] {
        for end in (0..text.len()).step_by(7) {
            drop(extract::openapi::read(&text.as_bytes()[..end], "a.yaml", &Limits::default()));
        }
        for _ in 0..400 {
            let broken = mutated(text.as_bytes(), &mut random);
            drop(extract::openapi::read(&broken, "a.yaml", &Limits::default()));
        }
    }
}
