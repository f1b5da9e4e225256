// What dcmjs reads of Structured Reports, as JSON, one line a file: node read.js FILE ...
// Groups by tracking identifier with their numbers and regions, and what the adapter of OHIF's viewer makes of it all.
"use strict";
const fs = require("node:fs");
const dcmjs = require("dcmjs");

dcmjs.log.setLevel("error");
const NUMBERS = "NUM", REGIONS = "SCOORD", GROUP = "125007", TRACKING = "112039";

const items = (sequence) => (sequence === undefined ? [] : Array.isArray(sequence) ? sequence : [sequence]);
const first = (sequence) => items(sequence)[0];
const name = (item) => first(item.ConceptNameCodeSequence)?.CodeValue;

function* walk(item) {
    yield item;
    for (const child of items(item.ContentSequence)) yield* walk(child);
}

function group(container) {
    const children = items(container.ContentSequence);
    const tracking = children.find((child) => name(child) === TRACKING);
    const numbers = children.filter((child) => child.ValueType === NUMBERS).map((child) => {
        const measured = first(child.MeasuredValueSequence);
        const unit = measured && first(measured.MeasurementUnitsCodeSequence).CodeValue;
        return { name: name(child), value: measured ? Number(measured.NumericValue) : null, unit: unit ?? null };
    });
    const regions = children.filter((child) => child.ValueType === REGIONS)
        .map((child) => ({ type: child.GraphicType, points: Array.from(child.GraphicData) }));
    return { tracking: String(tracking.TextValue), numbers, regions };
}

function tools(dataset) {
    const { MeasurementReport } = dcmjs.adapters.Cornerstone3D;
    const state = MeasurementReport.generateToolState(dataset, { get: () => undefined }, (point) => point, {});
    return Object.values(state).flat().length;
}

for (const path of process.argv.slice(2)) {
    const bytes = fs.readFileSync(path);
    const part10 = dcmjs.data.DicomMessage.readFile(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    const dataset = dcmjs.data.DicomMetaDictionary.naturalizeDataset(part10.dict);
    const groups = [...walk(dataset)].filter((item) => name(item) === GROUP).map(group);
    const names = items(dataset.PatientName).map((person) => ({ ...person }));
    console.log(JSON.stringify({ names, groups, tools: tools(dataset) }));
}
