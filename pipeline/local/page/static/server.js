// Talks to the page's server. A token, kept for this tab alone, says who asks; a server that lost it gives a new one.

const TOKEN = "token";
const PERSON = "person";
const RETRY_MS = [250, 500, 1000, 2000];

/** The server does not answer. */
export class LostError extends Error {}

/** The server says no; `code` is a name the page has words for. */
export class RefusedError extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

export function rememberedPerson() {
  try {
    return JSON.parse(sessionStorage.getItem(PERSON));
  } catch {
    return null;
  }
}

export async function people() {
  return (await answered(await reach("/api/people"))).people;
}

/** Speak as `person` in this tab from now on. */
export async function become(person) {
  const { tenant_id, user_id } = person;
  const given = await answered(await reach("/api/token", { method: "POST", headers: JSON_BODY, body: JSON.stringify({ tenant_id, user_id }) }));
  sessionStorage.setItem(PERSON, JSON.stringify(person));
  sessionStorage.setItem(TOKEN, given.token);
}

/** Ask the server for `action`. */
export async function ask(action, asked = {}, { signal } = {}) {
  const response = await withToken(`/api/${action}`, { method: "POST", headers: JSON_BODY, body: JSON.stringify(asked), signal });
  return answered(response);
}

/**
 * Listen to the server's events until `signal` ends it; comes back by itself when the connection is lost.
 * `heard` gets each piece; `connected` is told true, with whether the server is another one, or false.
 */
export async function listen({ signal, heard, connected }) {
  let server = null;
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      for await (const piece of pieces(await withToken("/api/events", { signal }))) {
        if (piece.type !== "hello") {
          heard(piece);
          continue;
        }
        connected(true, { again: failures > 0, restarted: server !== null && server !== piece.server });
        server = piece.server;
        failures = 0;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof LostError)) console.warn(error);
    }
    if (signal.aborted) return;
    connected(false);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]));
  }
}

const JSON_BODY = { "content-type": "application/json" };
const SILENCE_MS = 8000;

async function withToken(path, options) {
  const send = () => reach(path, { ...options, headers: { ...options.headers, authorization: `Bearer ${sessionStorage.getItem(TOKEN)}` } });
  const response = await send();
  if (response.status !== 401) return response;
  await become(rememberedPerson());
  return send();
}

async function reach(path, options = {}) {
  try {
    return await fetch(path, { ...options, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new LostError("the server does not answer", { cause: error });
  }
}

async function answered(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new RefusedError(body.code ?? "failed");
  return body;
}

async function* pieces(response) {
  if (!response.ok) throw new RefusedError("failed");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await within(reader.read(), SILENCE_MS);
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) yield JSON.parse(line);
    }
  } catch (error) {
    throw error.name === "AbortError" ? error : new LostError("the events ended", { cause: error });
  } finally {
    reader.cancel().catch(() => {});
  }
}

function within(promise, milliseconds) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new LostError("silence")), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
