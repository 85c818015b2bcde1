// Shows openapi.json to people.

const element = (tag, text = "", properties = {}) =>
  Object.assign(document.createElement(tag), { textContent: text, ...properties });

function section(path, method, operation) {
  const box = element("section");
  const title = element("h2");
  title.append(element("span", method.toUpperCase(), { className: "method" }), " ", element("code", path));
  box.append(title, element("p", operation.description ?? ""));
  const rows = [
    ...(operation.parameters ?? []).map(({ name, in: where, required }) => [
      name, `in the ${where}${required ? ", required" : ""}`,
    ]),
    ...Object.entries(operation.requestBody?.content ?? {}).flatMap(([kind, { schema }]) => [
      ["body", kind],
      ...Object.entries(schema.properties ?? {}).map(([name, { type, format, description }]) => [
        name, [`${format ? "file" : type}${schema.required?.includes(name) ? ", required" : ""}`, description].filter(Boolean).join(" · "),
      ]),
    ]),
    ...Object.entries(operation.responses).map(([status, { description, content }]) => [
      status, [description, Object.keys(content ?? {}).join(", ")].filter(Boolean).join(" · "),
    ]),
  ];
  const table = element("table");
  for (const [name, meaning] of rows) {
    const row = table.insertRow();
    row.append(element("th", name, { scope: "row" }), element("td", meaning));
  }
  box.append(table);
  return box;
}

const { paths, components } = await (await fetch("openapi.json")).json();
for (const [path, methods] of Object.entries(paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    document.getElementById("operations").append(section(path, method, operation));
  }
}
const token = components.securitySchemes ? '-H "Authorization: Bearer $TOKEN" ' : "";
document.getElementById("example").textContent =
  `curl ${token}-F photo=@photo.jpg -F mask=@mask.png ${location.origin}/complete -o done.jpg`;
