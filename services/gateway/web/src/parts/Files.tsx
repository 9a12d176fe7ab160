// Files link to the answer of a question as files, and as the question itself.
import { address, type Params } from "../lib/api.ts";
import { capital } from "../lib/print.ts";

interface Props {
  // What the files are called.
  name: string;
  // What the question is about, where a picture has several.
  of?: string;
  path: string;
  params: Params;
}

export function Files({ name, of, path, params }: Props) {
  const file = of ? `${name}-${of.replace(/ /g, "-")}` : name;
  const words = (form: string) => (of ? `${form}, ${of}` : form);
  return (
    <>
      {of && <span aria-hidden="true">{capital(of)}:</span>}
      <a href={address(path, params, ".csv")} download={`${file}.csv`} aria-label={words("CSV")}>
        CSV
      </a>
      <a href={address(path, params, ".xlsx")} download={`${file}.xlsx`} aria-label={words("XLSX")}>
        XLSX
      </a>
      <a href={address(path, params)} target="_blank" rel="noopener" aria-label={words("JSON")}>
        JSON
      </a>
    </>
  );
}
