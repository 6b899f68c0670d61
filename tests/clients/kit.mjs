// Drives a FHIR server through fhir-kit-client and says what it saw, as JSON.
// node kit.mjs <folder with node_modules> <base URL> <token> <system of a ward of 7>
import { pathToFileURL } from "node:url";

const [folder, baseUrl, token, system] = process.argv.slice(2);
const entry = pathToFileURL(`${folder}/node_modules/fhir-kit-client/dist/index.js`);
const { Client, CapabilityTool } = await import(entry);
const client = new Client({ baseUrl, bearerToken: token, customHeaders: { "content-type": "application/fhir+json" } });
const seen = {};
const status = async (promise) => promise.then(() => 200, (error) => [error.response.status, error.response.data.resourceType]);

const tool = new CapabilityTool(await client.capabilityStatement());
seen.can = [tool.serverCan("transaction"), tool.resourceCan("Patient", "patch"), tool.resourceSearch("Patient", "birthdate")];

const made = await client.create({ resourceType: "Patient", body: { resourceType: "Patient", gender: "female" } });
const id = made.id;
const at = { resourceType: "Patient", id };
const ifMatch = (version) => ({ headers: { "If-Match": `W/"${version}"` } });
const second = { ...made, active: true };
seen.updated = (await client.update({ ...at, body: second, options: ifMatch(1) })).meta.versionId;
seen.stale = await status(client.update({ ...at, body: second, options: ifMatch(1) }));
const jsonPatch = [{ op: "test", path: "/active", value: true }, { op: "replace", path: "/gender", value: "male" }];
seen.patched = (await client.patch({ ...at, jsonPatch })).gender;
seen.first = (await client.vread({ ...at, version: "1" })).gender;
seen.now = (await client.read(at)).gender;
seen.history = [
  (await client.history(at)).entry.map((e) => e.request.method),
  (await client.history({ resourceType: "Patient" })).total > 2,
  (await client.history({})).total > 2,
];
const searchParams = { identifier: "urn:kit|1" };
const known = { resourceType: "Patient", identifier: [{ system: "urn:kit", value: "1" }] };
const conditional = await client.update({ resourceType: "Patient", searchParams, body: known });
const option = { headers: { "If-None-Exist": "identifier=urn:kit|1" } };
const twice = await client.create({ resourceType: "Patient", body: known, options: option });
seen.same = conditional.id === twice.id;

const identifier = `${system}|`;
let page = await client.search({ resourceType: "Encounter", searchParams: { identifier, _count: 3 } });
seen.pages = [];
for (; page; page = await client.nextPage({ bundle: page })) seen.pages.push(page.entry.length);
const posted = { identifier, "subject:Patient.birthdate": "1953-01-02", _include: "Encounter:subject" };
const found = await client.search({ resourceType: "Encounter", searchParams: posted, options: { postSearch: true } });
seen.posted = found.entry.map((e) => e.search.mode);
const patient = found.entry[1].resource;
const compartment = { resourceType: "Patient", id: patient.id };
seen.compartment = (await client.search({ resourceType: "Encounter", compartment })).total;
const reference = found.entry[0].resource.subject.reference;
seen.resolved = [
  (await client.resolve({ reference })).id === patient.id,
  (await client.resolve({ reference, context: found })).id === patient.id,
];
seen.everywhere = (await client.search({ searchParams: { _type: "Patient,Encounter", _id: patient.id } })).total;

const request = (method, url) => ({ method, url });
const bundle = (type, entry) => ({ body: { resourceType: "Bundle", type, entry } });
const statuses = (answer) => answer.entry.map((e) => e.response.status.slice(0, 3));
seen.batch = statuses(await client.batch(bundle("batch", [
  { request: request("GET", `Patient/${id}`) }, { request: request("GET", "Patient/nobody") },
])));
seen.transaction = statuses(await client.transaction(bundle("transaction", [
  { fullUrl: "urn:uuid:1", resource: { resourceType: "Patient" }, request: request("POST", "Patient") },
  { request: request("DELETE", `Patient/${id}`) },
])));
seen.gone = await status(client.read(at));
seen.validated = (await client.operation({
  name: "validate", resourceType: "Patient", input: { resourceType: "Patient", gender: "blue" },
})).issue.some((i) => i.severity === "error");
seen.deleted = await status(client.delete({ resourceType: "Patient", id: conditional.id }));
seen.stranger = await status(new Client({ baseUrl, bearerToken: "x" }).read(at));
console.log(JSON.stringify(seen));
