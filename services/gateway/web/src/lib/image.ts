// Saves a picture as SVG or PNG, with its title and source, as it looks on the page.

import { textWidth } from "./fit.ts";

interface Words {
  name: string;
  title: string;
  source: string;
}

// What a style sheet says of a drawn element, and a file must carry itself.
const styles = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size", "font-weight", "text-anchor"];

const margin = 24;
const titleHeight = 50;
const legendHeight = 30;
const sourceHeight = 20;
const sourceLineHeight = 16;
const sourceSize = 12;
// Pixels of the file for each of the page: enough for print.
const pngScale = 2;

export async function saveImage(picture: HTMLElement | null, words: Words, form: "svg" | "png"): Promise<void> {
  const drawn = [...(picture?.querySelectorAll("svg") ?? [])].sort((a, b) => area(b) - area(a))[0];
  if (!picture || !drawn) {
    return;
  }
  const { svg, width, height } = framed(drawn, picture.querySelectorAll(".legend li"), words);
  const file = new Blob([svg], { type: "image/svg+xml" });
  save(form === "svg" ? file : await painted(svg, width, height), `${words.name}.${form}`);
}

// wrapped breaks text into lines that are no wider than there is room, but for a word that is.
function wrapped(text: string, size: number, room: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && textWidth(line, size) <= room) {
      lines[lines.length - 1] = line;
    } else {
      lines.push(word);
    }
  }
  return lines;
}

// area tells the picture from the samples of its legend.
function area(svg: SVGSVGElement): number {
  const { width, height } = svg.getBoundingClientRect();
  return width * height;
}

function framed(drawn: SVGSVGElement, legend: NodeListOf<Element>, words: Words): { svg: string; width: number; height: number } {
  const box = drawn.getBoundingClientRect();
  const page = getComputedStyle(document.body);
  const shown = [...legend].filter((item) => item.getClientRects().length > 0);
  const top = titleHeight + (shown.length > 0 ? legendHeight : 0);
  const width = Math.ceil(box.width) + 2 * margin;
  const source = wrapped(words.source, sourceSize, box.width);
  const below = Math.ceil(box.height) + top + sourceHeight;
  const height = below + source.length * sourceLineHeight + margin / 2;
  const frame = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  frame.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  frame.setAttribute("viewBox", `0 0 ${width} ${height}`);
  frame.setAttribute("width", String(width));
  frame.setAttribute("height", String(height));
  const ground = add(frame, "rect", { width: "100%", height: "100%", fill: page.backgroundColor });
  ground.setAttribute("x", "0");
  const text = { "font-family": page.fontFamily, fill: page.color };
  add(frame, "text", { x: margin, y: margin + 8, "font-size": 18, "font-weight": 600, ...text }).textContent = words.title;
  place(frame, drawn, margin, top);
  let x = margin;
  for (const item of shown) {
    const sample = item.querySelector("svg");
    if (sample) {
      place(frame, sample, x, titleHeight);
      x += sample.getBoundingClientRect().width + 6;
    }
    const name = item.textContent?.trim() ?? "";
    add(frame, "text", { x, y: titleHeight + 11, "font-size": 13, ...text }).textContent = name;
    x += textWidth(name, 13) + 20;
  }
  for (const [i, line] of source.entries()) {
    add(frame, "text", { x: margin, y: below + (i + 1) * sourceLineHeight, "font-size": sourceSize, ...text }).textContent = line;
  }
  return { svg: new XMLSerializer().serializeToString(frame), width, height };
}

function place(frame: Element, drawn: SVGSVGElement, x: number, y: number): void {
  const copy = styled(drawn);
  const { width, height } = drawn.getBoundingClientRect();
  for (const [name, value] of Object.entries({ x, y, width, height })) {
    copy.setAttribute(name, String(value));
  }
  frame.append(copy);
}

function add(parent: Element, name: string, attributes: Record<string, string | number>): Element {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) {
    e.setAttribute(key, String(value));
  }
  parent.append(e);
  return e;
}

// styled copies a picture with its computed styles as attributes.
function styled(drawn: SVGSVGElement): SVGSVGElement {
  const copy = drawn.cloneNode(true) as SVGSVGElement;
  const originals = drawn.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((e, i) => {
    const computed = getComputedStyle(originals[i]!);
    for (const name of styles) {
      e.setAttribute(name, computed.getPropertyValue(name));
    }
    e.removeAttribute("class");
    e.removeAttribute("style");
  });
  return copy;
}

async function painted(svg: string, width: number, height: number): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = width * pngScale;
  canvas.height = height * pngScale;
  canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => canvas.toBlob((b) => (b ? resolve(b) : reject(new Error("the picture could not be painted")))));
}

function save(file: Blob, name: string): void {
  const a = document.createElement("a");
  a.href = URL.createObjectURL(file);
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 10_000);
}
