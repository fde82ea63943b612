//! Text of operations and schemas: all details of the API description, as they are written.

use extract::model::{Limits, ParsedDocument};

fn read(text: &str, name: &str) -> ParsedDocument {
    extract::openapi::read(text.as_bytes(), name, &Limits::default()).expect("a description")
}

/// Returns the text of the block with this anchor.
fn section<'a>(parsed: &'a ParsedDocument, anchor: &str) -> &'a str {
    let block = parsed.blocks.iter().find(|block| block.anchor.as_deref() == Some(anchor));
    let block = block.unwrap_or_else(|| panic!("no block {anchor}: {}", parsed.text));
    &parsed.text[block.range.clone()]
}

/// Fails unless the text has all of these.
fn contains(text: &str, expected: &[&str]) {
    for expected in expected {
        assert!(text.contains(expected), "{expected:?} is not in {text}");
    }
}

#[test]
fn an_operation_of_3_1_has_headers_callbacks_and_examples() {
    let parsed = read(include_str!("data/cases/openapi-31.yaml"), "locks.yaml");
    contains(
        section(&parsed, "makeLock"),
        &[
            "| `holder` | string | yes | Who holds it. |",
            "| `ttl` | integer | yes | Exclusive minimum: `0`. Multiple of: `5`. |",
            "| `201` `Location` | string |  | Where the lock is. |",
            "| `201` `Retry-After` | integer |  |  |",
            "Example of `201` (`application/json`):\n\n```json\n{\n  \"id\": \"lk_77\",\n  \"holder\": \"batch-9\"\n}\n```",
            "**Callback `released`**: `POST {$request.body#/hook}`\n\nCalled when the lock is released",
        ],
    );
    contains(
        section(&parsed, "schema-Lock"),
        &[
            "| `id` | string | yes |  |",
            "| `kind` | string | yes | Constant: `exclusive`. |",
            "| `mode` | string or null |  | One of: `shared`, `exclusive`, `null`. |",
            "| `weight` | number |  | Exclusive minimum: `0`. Maximum: `10`. Example: `2.5`. |",
        ],
    );
    contains(
        section(&parsed, "schema-Event"),
        &["Type: Lock or Base", "Discriminator: `kind` (`exclusive`: Lock, `plain`: Base)."],
    );
    contains(
        section(&parsed, "schema-Tree"),
        &[
            "| `child` | Tree |  | The lower node. |",
            "| `labels` | map of string |  |  |",
            "| `pair` | array of [string, integer] |  |  |",
            "| `pair[0]` | string |  |  |",
        ],
    );
    contains(
        section(&parsed, "post-webhook-lockexpired"),
        &["A lock has expired", "Event", "| `204` | taken |"],
    );
}

#[test]
fn words_of_yaml_are_read_as_written() {
    let parsed = read(include_str!("data/cases/openapi-yaml-words.yaml"), "meters.yaml");
    contains(&parsed.text, &["Version 1.10"]);
    contains(
        section(&parsed, "listMeters"),
        &[
            "**Deprecated.**",
            "Shared words about meters.",
            "Default: `1.0`. Exclusive minimum: `0.50`.",
            "One of: `DE`, `NO`, `ON`, `OFF`, `y`, `0123`, `1e3`.",
            "| `200` | fine |",
        ],
    );
    contains(section(&parsed, "getMeter"), &["| `id` | path | string | yes |"]);
}

#[test]
fn odd_values_do_not_refuse_a_description() {
    for (text, name, expected) in [
        (
            "openapi: 3.0.0\ninfo: {title: NO, version: 2024-01-02}\npaths: {}\ncomponents: {schemas: {A: {maximum: 1e999, minimum: 99999999999999999999999999}}}",
            "a.yaml",
            "Maximum: `1e999`.",
        ),
        (
            "openapi: 3.0.0\npaths:\n  /a:\n    get: {summary: one}\n  /a:\n    put: {summary: two}\n",
            "a.yaml",
            "### PUT /a\n\ntwo",
        ),
        ("openapi: 3.0.0\npaths:\n  /a:\n\tget:\n\t\tsummary: tabbed\n", "a.yaml", "tabbed"),
        (
            "openapi: 3.0.0\ninfo: {title: A}\npaths:\n  /a:\n    get:\n      summary: note: this one\n",
            "a.yaml",
            "note: this one",
        ),
        (
            "openapi: 3.0.0\npaths:\n  /a:\n    get:\n      description: @internal use\n",
            "a.yaml",
            "@internal use",
        ),
        (
            "openapi: 3.0.0\npaths:\n  off:\n    get: {operationId: true, tags: [NO, 12]}\n",
            "a.yaml",
            "### GET off",
        ),
        (
            "{\"openapi\": \"3.0.0\", \"components\": {\"schemas\": {\"A\": {\"maximum\": 1e999, \"default\": 1.0}}}}",
            "a.json",
            "Default: `1.0`. Maximum: `1e999`.",
        ),
        (
            "{\"openapi\": \"3.0.0\", \"paths\": {\"/a\": {\"get\": {\"summary\": \"trailing\",}}}}",
            "a.json",
            "trailing",
        ),
        (
            "openapi: 3.0.0\ninfo: {title: !!str 12, version: 0x1F}\nx: !include other.yaml\npaths: {}",
            "a.yaml",
            "Version 0x1F",
        ),
        (
            "---\nopenapi: 3.0.0\ninfo: {title: first}\n---\nopenapi: 3.0.0\ninfo: {title: second}",
            "a.yaml",
            "# first",
        ),
    ] {
        contains(&read(text, name).text, &[expected]);
    }
}

#[test]
fn required_fields_reach_every_part_of_a_schema() {
    let schema = |schema: &str| {
        let text = format!("openapi: 3.1.0\ncomponents: {{schemas: {{A: {schema}}}}}");
        section(&read(&text, "a.yaml"), "schema-A").to_owned()
    };
    let beside = schema(
        "{required: [x], allOf: [{properties: {x: {type: string}}}, {$ref: '#/components/schemas/B'}]}",
    );
    contains(&beside, &["| `x` | string | yes |"]);
    let other =
        schema("{allOf: [{required: [x, z]}, {properties: {x: {type: string}, y: {}}}, {$ref: '#/B'}]}");
    contains(&other, &["| `x` | string | yes |", "| `y` | any |  |", "Required: `z`."]);
    let nested = schema(
        "{allOf: [{allOf: [{required: [x]}]}, {oneOf: [{properties: {x: {const: 1}}}, {properties: {x: {const: 2}}}]}]}",
    );
    contains(&nested, &["| `x` | `1` | yes | Constant: `1`. |", "| `x` | `2` | yes | Constant: `2`. |"]);
}

#[test]
fn every_keyword_of_a_schema_is_in_its_text() {
    for (schema, expected) in [
        (
            "{type: integer, minimum: 1, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: false}",
            &["Exclusive minimum: `1`.", "Maximum: `9`."][..],
        ),
        ("{type: number, exclusiveMaximum: 2.50}", &["Exclusive maximum: `2.50`."]),
        (
            "{type: string, minLength: 2, maxLength: 8, pattern: '^[a-z|]+$', format: slug}",
            &["string (slug)", "Minimum length: `2`.", "Maximum length: `8`.", "Pattern: `^[a-z|]+$`."],
        ),
        ("{type: [integer, 'null'], default: 0}", &["Type: integer or null", "Default: `0`."]),
        ("{type: [integer, null]}", &["Type: integer or null"]),
        (
            "{type: string, nullable: true, readOnly: true, writeOnly: true, deprecated: true}",
            &["string or null", "Deprecated. Read only. Write only."],
        ),
        (
            "{anyOf: [{type: string, maxLength: 5}, {$ref: '#/X'}], not: {type: string, enum: [z]}}",
            &["Type: string or X", "string: Maximum length: `5`.", "Not: string, One of: `z`."],
        ),
        ("{allOf: [{$ref: '#/X'}, {description: Only here.}]}", &["Type: X", "Only here."]),
        ("{allOf: [{$ref: '#/X'}], oneOf: [{$ref: '#/Y'}, {$ref: '#/Z'}]}", &["Type: X and (Y or Z)"]),
        (
            "{oneOf: [{const: a, description: The first.}, {const: b, title: Second}]}",
            &["`a`: The first.", "`b`: Second."],
        ),
        (
            "{type: object, properties: {a: {}}, additionalProperties: false, minProperties: 1}",
            &["No other fields.", "Minimum fields: `1`."],
        ),
        (
            "{type: object, properties: {a: {}}, additionalProperties: {type: integer}}",
            &["Other fields: integer."],
        ),
        (
            "{type: object, patternProperties: {'^x-': {type: string, description: Any extension.}}}",
            &["| `/^x-/` | string |  | Any extension. |"],
        ),
        (
            "{type: object, propertyNames: {pattern: '^[a-z]+$'}, dependentRequired: {card: [address]}}",
            &["Field names: any, Pattern: `^[a-z]+$`.", "`card` requires `address`."],
        ),
        (
            "{type: array, items: {type: string, maxLength: 3, description: A code.}, minItems: 1, uniqueItems: true}",
            &[
                "array of string",
                "Minimum items: `1`.",
                "Unique items.",
                "Items: A code. Maximum length: `3`.",
            ],
        ),
        (
            "{type: array, prefixItems: [{type: string}, {type: integer, description: Port.}], items: false, contains: {const: 1}}",
            &[
                "array of [string, integer]",
                "| `[1]` | integer |  | Port. |",
                "Contains: `1`, Constant: `1`.",
            ],
        ),
        (
            "{type: object, additionalProperties: {type: object, properties: {n: {type: integer}}}}",
            &["map of object", "| `*.n` | integer |"],
        ),
        (
            "{if: {properties: {a: {const: 1}}}, then: {required: [b]}, else: {properties: {c: {type: string}}}}",
            &["If: `a` `1`, Constant: `1`.", "then: required `b`.", "| `c` | string |"],
        ),
        (
            "{type: string, contentMediaType: image/png, contentEncoding: base64, xml: {name: pic, attribute: true}}",
            &["Content: `image/png`.", "Encoding: `base64`.", "XML name: `pic`. XML attribute."],
        ),
        (
            "{type: object, example: {a: 1}, externalDocs: {url: 'https://a.example', description: More}}",
            &["Example: `{\"a\": 1}`.", "See also: <https://a.example> – More"],
        ),
        ("{type: string, examples: [one, 'two|three']}", &["Example: `one`.", "Example: `two|three`."]),
        ("{type: object, discriminator: petType}", &["Discriminator: `petType`."]),
        (
            "{$defs: {Inner: {type: string, description: Within.}}, properties: {i: {$ref: '#/$defs/Inner'}}}",
            &["| `i` | Inner |", "### A.Inner\n\nWithin."],
        ),
        ("{$ref: 'other.yaml#/X', description: Beside.}", &["Type: X", "See `other.yaml#/X`.", "Beside."]),
        ("false", &["Type: nothing"]),
    ] {
        let text = format!("openapi: 3.1.0\ncomponents: {{schemas: {{A: {schema}}}}}");
        contains(&read(&text, "a.yaml").text, expected);
    }
}

const EVERYTHING: &str = r#"
openapi: 3.1.0
info:
  title: Everything
  version: 1.0.0
  summary: In one line.
  termsOfService: https://a.example/terms
  contact: {name: Ada, email: ada@a.example, url: https://a.example/ada}
  license: {name: MIT, identifier: MIT}
externalDocs: {url: https://a.example/more, description: More of it}
servers:
  - url: https://{region}.a.example/{base}
    description: Live
    variables:
      region: {default: eu, enum: [eu, us], description: Where it runs.}
      base: {default: v1}
tags:
  - {name: jobs, description: Work to do., externalDocs: {url: https://a.example/jobs}}
security: [{oauth: [read]}, {}]
paths:
  /jobs:
    summary: All jobs
    servers: [{url: https://jobs.a.example}]
    $ref: '#/components/pathItems/jobs'
  /outside: {$ref: './paths/outside.yaml'}
  /part/{id}:
    get:
      operationId: getPart
      parameters:
        - {$ref: 'common.yaml#/parameters/trace'}
      responses: {'200': {$ref: 'common.yaml#/responses/Part'}}
components:
  pathItems:
    jobs:
      parameters: [{name: tenant, in: header, schema: {type: string}}]
      post:
        tags: [jobs, admin]
        operationId: addJob
        security: [{oauth: [write, admin], key: []}]
        parameters:
          - name: filter
            in: query
            style: deepObject
            explode: true
            schema: {type: object, properties: {state: {type: string, enum: [on, off]}}}
          - {name: limit, in: query, deprecated: true, schema: {type: integer, example: 7}, example: 20}
          - name: sort
            in: query
            schema: {type: string}
            examples: {up: {summary: Upwards, value: +name}, down: {$ref: '#/components/examples/down'}}
          - {name: q, in: query, content: {application/json: {schema: {$ref: '#/components/schemas/Job'}}}}
        requestBody: {$ref: '#/components/requestBodies/job'}
        responses:
          '201':
            $ref: '#/components/responses/made'
          4XX: {description: Wrong., content: {application/problem+json: {schema: {type: object, properties: {title: {type: string}}}}}}
        callbacks: {done: {$ref: '#/components/callbacks/done'}}
        externalDocs: {url: https://a.example/add}
  callbacks:
    done:
      '{$request.query.url}':
        put: {requestBody: {content: {text/plain: {schema: {type: string}}}}, responses: {'204': {description: heard}}}
  examples:
    down: {summary: Downwards, description: The newest first., value: -name}
    job: {summary: A job, value: {kind: sleep, seconds: 1.50}}
    far: {externalValue: https://a.example/job.json}
  requestBodies:
    job:
      description: The job to do.
      required: true
      content:
        application/json:
          schema: {$ref: '#/components/schemas/Job'}
          examples: {job: {$ref: '#/components/examples/job'}, far: {$ref: '#/components/examples/far'}}
        multipart/form-data:
          schema: {type: object, properties: {file: {type: string, format: binary}}}
          encoding: {file: {contentType: image/png, headers: {X-Sum: {schema: {type: string}, description: A sum.}}}}
        application/xml: {example: "<job>\n  <kind>sleep</kind>\n</job>"}
  responses:
    made:
      description: Made.
      headers: {X-Left: {$ref: '#/components/headers/left'}}
      content: {application/json: {schema: {$ref: '#/components/schemas/Job'}}}
      links:
        get: {operationId: getPart, parameters: {id: $response.body#/id}, description: To read it.}
        far: {$ref: '#/components/links/far'}
  headers: {left: {description: What is left., required: true, schema: {type: integer, minimum: 0}}}
  links: {far: {operationRef: 'https://b.example/api#/paths/~1x/get'}}
  schemas: {Job: {type: object}}
  securitySchemes:
    oauth:
      type: oauth2
      description: Sign in.
      flows:
        authorizationCode:
          authorizationUrl: https://a.example/authorize
          tokenUrl: https://a.example/token
          refreshUrl: https://a.example/refresh
          scopes: {read: Read all, write: Change jobs}
        clientCredentials: {tokenUrl: https://a.example/machine, scopes: {}}
    key: {type: apiKey, in: cookie, name: sid}
    open: {type: openIdConnect, openIdConnectUrl: https://a.example/oidc}
"#;

#[test]
fn everything_that_a_description_says_of_the_api_is_in_its_introduction() {
    let parsed = read(EVERYTHING, "a.yaml");
    contains(
        &parsed.text,
        &[
            "In one line.",
            "Contact: Ada, <ada@a.example>, <https://a.example/ada>",
            "License: MIT",
            "Terms of service: <https://a.example/terms>",
            "See also: <https://a.example/more> – More of it",
            "- `https://{region}.a.example/{base}` – Live\n   - `region`: default `eu`; one of `eu`, `us` – Where it runs.\n   - `base`: default `v1`",
            "| `key` | apiKey, in: cookie, name: sid |",
            "| `open` | openIdConnect, openIdConnectUrl: https://a.example/oidc |",
            "`oauth` authorizationCode: authorization <https://a.example/authorize>, token <https://a.example/token>, refresh <https://a.example/refresh>",
            "| `write` | Change jobs |",
            "`oauth` clientCredentials: token <https://a.example/machine>",
            "Every operation, unless it says otherwise: `oauth` (read) or none",
            "Work to do.\n\nSee also: <https://a.example/jobs>",
        ],
    );
}

#[test]
fn everything_that_a_description_says_of_an_operation_is_in_its_text() {
    let parsed = read(EVERYTHING, "a.yaml");
    contains(
        section(&parsed, "addJob"),
        &[
            "### POST /jobs\n\nAll jobs",
            "Tags: jobs, admin",
            "| `tenant` | header | string |",
            "| `filter` | query | object |  | Style: `deepObject`. Explode: `true`. |",
            "| `state` | string |  | One of: `on`, `off`. |",
            "| `limit` | query | integer |  | Deprecated. Example: `7`. Example: `20`. |",
            "Example `up`, Upwards: `+name`. Example `down`, Downwards, The newest first.: `-name`.",
            "| `q` | query | Job |  | Content: `application/json`. |",
            "**Request body** (required): `application/json` Job\n\n",
            "The job to do.",
            "Example of the request `application/json` `job` – A job:\n\n```json\n{\n  \"kind\": \"sleep\",\n  \"seconds\": 1.50\n}\n```",
            "`far`: <https://a.example/job.json>",
            "| `file` | `image/png` |",
            "| file: `X-Sum` | string |  | A sum. |",
            "```xml\n<job>\n  <kind>sleep</kind>\n</job>\n```",
            "| `201` | Made. | `application/json` | Job |",
            "| `201` `X-Left` | integer | yes | What is left. Minimum: `0`. |",
            "| `4XX` | Wrong. | `application/problem+json` | object |",
            "**Fields of `4XX`**",
            "Link `get` of `201` to `getPart` with `id`: `$response.body#/id` – To read it.",
            "Link `far` of `201` to `https://b.example/api#/paths/~1x/get`",
            "**Callback `done`**: `PUT {$request.query.url}`",
            "| `204` | heard |",
            "Security: `oauth` (write, admin) and `key`",
            "Servers:\n\n- `https://jobs.a.example`",
            "See also: <https://a.example/add>",
        ],
    );
    contains(section(&parsed, "outside"), &["### /outside\n\nSee `./paths/outside.yaml`."]);
    contains(
        section(&parsed, "getPart"),
        &[
            "`common.yaml#/parameters/trace`",
            "| `200` | See `common.yaml#/responses/Part`. |",
            "Security: `oauth` (read) or none",
        ],
    );
}

#[test]
fn swagger_2_has_examples_headers_and_scopes() {
    let parsed = read(
        r##"{"swagger": "2.0", "info": {"title": "Pets", "version": "1"}, "paths": {"/pets": {"get": {
          "operationId": "pets", "produces": ["application/json"],
          "parameters": [{"name": "ids", "in": "query", "type": "array", "items": {"type": "integer", "minimum": 1}, "collectionFormat": "csv",
            "required": true, "allowEmptyValue": true, "x-example": [1, 2]}],
          "responses": {"200": {"description": "All.", "headers": {"X-Next": {"type": "string", "description": "The next page."}},
            "schema": {"type": "array", "items": {"$ref": "#/definitions/Pet"}},
            "examples": {"application/json": [{"name": "Tom"}], "text/plain": "Tom"}}}}}},
          "definitions": {"Pet": {"discriminator": "kind", "required": ["kind"], "properties": {"kind": {"type": "string"}}}},
          "securityDefinitions": {"o": {"type": "oauth2", "flow": "accessCode", "authorizationUrl": "https://a.example/a",
            "tokenUrl": "https://a.example/t", "scopes": {"read:pets": "Read pets"}}}}"##,
        "pets.json",
    );
    contains(
        section(&parsed, "pets"),
        &[
            "| `ids` | query | array of integer | yes | May be empty. Collection format: `csv`. Items: Minimum: `1`. Example: `[1, 2]`. |",
            "| `200` `X-Next` | string |  | The next page. |",
            "Example of `200` `application/json`:\n\n```json\n[\n  {\n    \"name\": \"Tom\"\n  }\n]\n```",
            "Example of `200` `text/plain`: `Tom`",
        ],
    );
    contains(
        &parsed.text,
        &[
            "`o` accessCode: authorization <https://a.example/a>, token <https://a.example/t>",
            "| `read:pets` | Read pets |",
            "Discriminator: `kind`.",
            "| `kind` | string | yes |",
        ],
    );
}

#[test]
fn descriptions_in_other_encodings_are_read() {
    let extracted = |name: &str, bytes: &[u8]| {
        extract::extract(name, bytes, None, &Limits::default()).expect("a document")
    };
    let document = extracted("valves.yaml", include_bytes!("data/cases/gbk-few-characters.yaml"));
    assert_eq!(document.title, "阀门接口");
    assert!(document.text.contains("### V\n\n阀门"), "{}", document.text);
    let json = r#"{"openapi": "3.1.0", "info": {"title": "水库接口", "version": "1"}, "paths": {}}"#;
    let yaml = "openapi: 3.1.0\ninfo: {title: 水库接口, version: '1'}\npaths: {}\n";
    for (name, text) in [("a.json", json), ("a.yaml", yaml)] {
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
        let gb18030 = encoding_rs::GB18030.encode(text).0.into_owned();
        for bytes in [little, marked, gb18030] {
            assert_eq!(extracted(name, &bytes).title, "水库接口", "{name}");
        }
    }
}
