// Prints the licences of the packages that a bundle holds, as its metafile names them.
import { readdirSync, readFileSync } from "node:fs";

const { inputs } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const names = Object.keys(inputs).map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
for (const name of [...new Set(names)].filter(Boolean).sort()) {
  const folder = `node_modules/${name}`;
  const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  // A folder of licences is of what a package has taken over from others.
  const texts = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile() && /^(licen[cs]es?|notice)\b/i.test(`${file.parentPath}/${file.name}`.slice(folder.length + 1)))
    .map((file) => `${file.parentPath}/${file.name}`)
    .sort();
  if (texts.length === 0) {
    throw new Error(`${name} has no text of its licence`);
  }
  console.log(`${"=".repeat(78)}\n${name} ${version} (${license})\n`);
  for (const file of texts) {
    console.log(readFileSync(file, "utf8").trim().replaceAll("\r\n", "\n"), "\n");
  }
}
