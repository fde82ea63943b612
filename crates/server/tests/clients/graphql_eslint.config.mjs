// Rules for the schema: described, named as the field names things, and connections as Relay has them.
import { createRequire } from "node:module";

const packages = createRequire(`${process.env.WENYUAN_TEST_NODE_CLIENTS}/package.json`);
const plugin = packages("@graphql-eslint/eslint-plugin");
const schema = process.env.SCHEMA;

export default [
  {
    files: ["**/*.graphql"],
    languageOptions: { parser: plugin.parser, parserOptions: { graphQLConfig: { schema } } },
    plugins: { "@graphql-eslint": plugin },
    rules: {
      "@graphql-eslint/description-style": "error",
      "@graphql-eslint/naming-convention": [
        "error",
        { types: "PascalCase", FieldDefinition: "camelCase", InputValueDefinition: "camelCase", Argument: "camelCase", EnumValueDefinition: "UPPER_CASE" },
      ],
      "@graphql-eslint/no-hashtag-description": "error",
      "@graphql-eslint/relay-arguments": ["error", { includeBoth: false }],
      "@graphql-eslint/relay-page-info": "error",
      "@graphql-eslint/require-deprecation-reason": "error",
      "@graphql-eslint/require-description": [
        "error",
        {
          types: true,
          rootField: true,
          FieldDefinition: true,
          EnumValueDefinition: true,
          // Those of Relay, whose specification describes them.
          ignoredSelectors: ["[type=ObjectTypeDefinition][name.value=/(Connection|Edge|PageInfo)$/]"],
        },
      ],
      "@graphql-eslint/unique-enum-value-names": "error",
    },
  },
];
