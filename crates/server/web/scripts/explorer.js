// Page to try GraphQL on: runs the query, and lists the types of the schema.

const form = document.getElementById("explorer");
const [query, variables, answer, types, filter] = ["query", "variables", "answer", "types", "types-filter"].map((id) => document.getElementById(id));
const INTROSPECTION = `{ __schema { types { kind name description
  fields { name description args { name type { ...T } } type { ...T } }
  inputFields { name description type { ...T } } enumValues { name description } } } }
fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`;

async function send(body) {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
  return response.json();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  let given;
  try {
    given = variables.value.trim() ? JSON.parse(variables.value) : {};
  } catch (error) {
    answer.textContent = `${form.dataset.invalid} ${error.message}`;
    return;
  }
  answer.textContent = form.dataset.running;
  try {
    answer.textContent = JSON.stringify(await send({ query: query.value, variables: given }), null, 2);
  } catch {
    answer.textContent = form.dataset.failed;
  }
});

form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
  }
});

/** Writes a type as the schema definition language does. */
function written(type) {
  if (type.kind === "NON_NULL") return `${written(type.ofType)}!`;
  return type.kind === "LIST" ? `[${written(type.ofType)}]` : type.name;
}

function element(name, text, ...children) {
  const made = document.createElement(name);
  made.textContent = text ?? "";
  made.append(...children);
  return made;
}

function describe(type) {
  const members = [...(type.fields ?? []), ...(type.inputFields ?? []), ...(type.enumValues ?? [])];
  const list = element("dl");
  for (const member of members) {
    const given = member.args?.length ? `(${member.args.map((arg) => `${arg.name}: ${written(arg.type)}`).join(", ")})` : "";
    const kind = member.type ? `: ${written(member.type)}` : "";
    list.append(element("dt", "", element("code", `${member.name}${given}${kind}`)), element("dd", member.description));
  }
  const details = element("details", "", element("summary", type.name), element("p", type.description), list);
  details.dataset.words = [type.name, ...members.map((member) => member.name)].join(" ").toLowerCase();
  return details;
}

filter.addEventListener("input", () => {
  const wanted = filter.value.trim().toLowerCase();
  for (const details of types.children) details.hidden = !details.dataset.words.includes(wanted);
});

const FIRST = ["Query", "Mutation", "Subscription"];
const place = (type) => (FIRST.indexOf(type.name) + FIRST.length + 1) % (FIRST.length + 1);
const { data } = await send({ query: INTROSPECTION });
const shown = (data?.__schema.types ?? []).filter((type) => !type.name.startsWith("__") && type.kind !== "SCALAR");
shown.sort((one, other) => place(one) - place(other) || one.name.localeCompare(other.name));
types.replaceChildren(...shown.map(describe));
