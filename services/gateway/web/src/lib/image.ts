// Saves a picture as SVG or PNG, with its title and source, as it looks on the page.

interface Words {
  name: string;
  title: string;
  source: string;
}

// What a style sheet says of a drawn element, and a file must carry itself.
const styles = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size", "font-weight", "text-anchor"];

const margin = 24;
const titleHeight = 44;
const sourceHeight = 36;
// Pixels of the file for each of the page: enough for print.
const pngScale = 2;

export async function saveImage(picture: HTMLElement | null, words: Words, form: "svg" | "png"): Promise<void> {
  const drawn = picture?.querySelector("svg");
  if (!drawn) {
    return;
  }
  const { svg, width, height } = framed(drawn, words);
  const file = new Blob([svg], { type: "image/svg+xml" });
  save(form === "svg" ? file : await painted(svg, width, height), `${words.name}.${form}`);
}

function framed(drawn: SVGSVGElement, words: Words): { svg: string; width: number; height: number } {
  const box = drawn.getBoundingClientRect();
  const page = getComputedStyle(document.body);
  const [width, height] = [Math.ceil(box.width) + 2 * margin, Math.ceil(box.height) + titleHeight + sourceHeight + margin];
  const frame = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  frame.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  frame.setAttribute("viewBox", `0 0 ${width} ${height}`);
  frame.setAttribute("width", String(width));
  frame.setAttribute("height", String(height));
  const ground = add(frame, "rect", { width: "100%", height: "100%", fill: page.backgroundColor });
  ground.setAttribute("x", "0");
  const text = { "font-family": page.fontFamily, fill: page.color };
  add(frame, "text", { x: margin, y: margin + 8, "font-size": 18, "font-weight": 600, ...text }).textContent = words.title;
  const copy = styled(drawn);
  copy.setAttribute("x", String(margin));
  copy.setAttribute("y", String(titleHeight));
  copy.setAttribute("width", String(box.width));
  copy.setAttribute("height", String(box.height));
  frame.append(copy);
  add(frame, "text", { x: margin, y: height - margin / 2, "font-size": 12, ...text }).textContent = words.source;
  return { svg: new XMLSerializer().serializeToString(frame), width, height };
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
