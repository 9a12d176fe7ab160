// Measures text as a picture will draw it.

const context = document.createElement("canvas").getContext("2d")!;

export function textWidth(text: string, pixels: number): number {
  context.font = `${pixels}px ${getComputedStyle(document.body).fontFamily}`;
  return context.measureText(text).width;
}

// fit cuts a text that is too long for its room, and says so by an ellipsis.
export function fit(text: string, pixels: number, room: number): string {
  if (textWidth(text, pixels) <= room) {
    return text;
  }
  let end = text.length;
  while (end > 1 && textWidth(`${text.slice(0, end).trimEnd()}…`, pixels) > room) {
    end--;
  }
  return `${text.slice(0, end).trimEnd()}…`;
}
