// The samples that are shown as a file: numbers and names, safe to open in a spreadsheet.
import { namesOf } from "../api/columns";
import { shownSamples } from "../state/filters";
import { complain, tell, view } from "../state/session";
import { samples } from "./words";

/** A text that a spreadsheet would run gets an apostrophe in front. */
export function csvCell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) && !/^[+-]?\d+(\.\d*)?$/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export async function saveShown(): Promise<void> {
  const found = view.value;
  if (!found) return;
  try {
    const names = await namesOf(found);
    const ids = shownSamples();
    const named = names.some((name) => name !== null);
    const rows = ids.map((i) => (named ? `${i},${csvCell(names[i] ?? "")}` : String(i)));
    const text = [named ? "sample,name" : "sample", ...rows, ""].join("\r\n");
    save(new Blob([text], { type: "text/csv" }), "samples.csv");
    tell(`Saved ${samples(ids.length)} as samples.csv.`);
  } catch (error) {
    complain(error);
  }
}

function save(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
