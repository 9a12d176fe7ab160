// Asks the ledger's REST API. The browser keeps answers and revalidates them by their ETag.

// Params are a request's fields by name; lists repeat, and what is undefined or empty is left out.
export type Params = Record<string, string | number | boolean | readonly string[] | undefined>;

// Problem is why no answer came: a refusal of the server with its code and remedy, or that the server could not be reached.
export class Problem extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly remedy: string,
    readonly status: number,
  ) {
    super(message);
  }

  // passing tells whether asking again may help.
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export function asProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem("failed", String(error), "Reload the page.", 0);
}

// address is where a request is asked, also as a file with an ending such as `.csv`.
export function address(path: string, params: Params = {}, ending = ""): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (Array.isArray(value)) {
      for (const v of value as readonly string[]) {
        query.append(name, v);
      }
    } else if (value !== undefined && value !== "" && value !== false) {
      query.append(name, String(value));
    }
  }
  const text = query.toString();
  return path + ending + (text ? `?${text}` : "");
}

// get asks once. It rejects with a Problem, or with the signal's reason when given up.
export async function get<T>(url: string, signal: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(url, { signal, headers: { Accept: "application/json" } });
  } catch (error) {
    signal.throwIfAborted();
    throw new Problem("unreachable", `The ledger does not answer: ${String(error)}`, "The page asks again by itself. Is the server running?", 0);
  }
  const body: unknown = await bodyOf(response);
  signal.throwIfAborted();
  if (response.ok && body !== undefined) {
    return body as T;
  }
  throw problemOf(response, body);
}

// bodyOf is what JSON a response holds; undefined where it is none.
export function bodyOf(response: Response): Promise<unknown> {
  return response.json().catch(() => undefined);
}

export function problemOf(response: Response, body: unknown): Problem {
  const said = (typeof body === "object" && body !== null ? body : {}) as { code?: string; detail?: string; title?: string; remedy?: string };
  return new Problem(
    said.code ?? "no_answer",
    said.detail ?? said.title ?? `The server answered ${response.status} and no JSON.`,
    said.remedy ?? "Reload the page; where that does not help, look at the server's log.",
    response.status,
  );
}
