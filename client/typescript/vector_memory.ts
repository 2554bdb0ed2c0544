// A client of vector-memory's query API, for one user: fetch, and nothing else. Copy this file into your project.
//
//   const memory = new MemoryClient("https://…", { headers: bearer(async () => token) });
//   for (const hit of (await memory.search("When does the arm ship?")).results) console.log(hit.key, hit.content);

// Types: begin
/** A question, and what hits must be like. */
export interface SearchRequest {
  excluded_sessions?: string[];
  explain?: boolean;
  half_life_days?: number;
  kinds?: ("session" | "long_term" | "daily" | "summary")[];
  min_confidence?: number;
  min_similarity?: number;
  min_updated_at?: string;
  now?: string;
  query: string;
  roles?: string[];
  session_key?: string;
  sessions?: string[];
  since?: string;
  time_zone?: string;
  top_k?: number;
  until?: string;
}
/** What to be reminded of: without query, what bears on the session; without both, what is newest. */
export interface ContextRequest {
  explain?: boolean;
  max_tokens?: number;
  min_confidence?: number;
  min_updated_at?: string;
  now?: string;
  query?: string;
  session_key?: string;
  time_zone?: string;
  top_k?: number;
}
/** The conversation that past ones should bear on: by its key, or by what is said in it. */
export interface RelatedRequest {
  explain?: boolean;
  messages?: string[];
  min_confidence?: number;
  min_updated_at?: string;
  now?: string;
  session_key?: string;
  time_zone?: string;
  top_k?: number;
}
/** The two scores behind a hit's place, 0..1: how far its similarity stands out, and how well its words fit. */
export interface Why {
  lexical: number;
  vector: number;
}
/** A hit. */
export interface Memory {
  content: string;
  created_at: string;
  id: string;
  key: string;
  kind: string | null;
  roles: string[];
  score: number;
  similarity: number;
  superseded_by: string | null;
  why: Why;
}
/** A past conversation. */
export interface RelatedSession {
  date: string;
  key: string;
  score: number;
  snippet: string;
  superseded_by: string | null;
  title: string;
  why: Why;
}
/** Hits, best first; none where nothing is sure enough. */
export interface SearchAnswer {
  confidence: number;
  explanation?: Record<string, unknown> | null;
  indexed_until: string | null;
  query: string;
  question_truncated: boolean;
  results: Memory[];
  stale: boolean;
}
/** Text to show an agent, within the budget. */
export interface ContextAnswer {
  confidence: number;
  explanation?: Record<string, unknown> | null;
  indexed_until: string | null;
  passages: Memory[];
  question_truncated: boolean;
  stale: boolean;
  text: string;
  tokens: number;
}
/** Past conversations, best first. */
export interface RelatedAnswer {
  explanation?: Record<string, unknown> | null;
  indexed_until: string | null;
  question_truncated: boolean;
  related: RelatedSession[];
  stale: boolean;
}
/** The user's notes as far as they are indexed. */
export interface NotesAnswer {
  daily: string;
  indexed_until: string | null;
  long_term: string;
  stale: boolean;
}
/** The forget request is taken; poll status_path. */
export interface ForgetAnswer {
  id: string;
  source_items: "kept";
  status: "pending";
  status_path: string;
}
/** What became of a forget request. pending: not carried out yet, or never made by this user. */
export interface StatusAnswer {
  asked_at?: string | null;
  deleted?: number | null;
  done_at?: string | null;
  id: string;
  source_items: "kept";
  status: "pending" | "done";
}
/** The store answers. */
export interface HealthAnswer {
  status: "ok";
}
// Types: end

const MEMORY_PATH = "/api/v1/memory";
const PASSING = new Set([429, 502, 503, 504]);
const LOOPBACK = new Set(["127.0.0.1", "[::1]", "localhost"]);
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2000;

/** Headers of one request, such as a token or a signature; asked for at every attempt. */
export type Headers = (request: { method: string; url: string; body: string }) => Promise<Record<string, string>> | Record<string, string>;

/** Options; `attempts` are the tries of one request, of which only passing faults are tried again. */
export interface Options {
  headers: Headers;
  attempts?: number;
  timeoutMs?: number;
  pause?: (milliseconds: number) => Promise<void>;
}

/** The request cannot be served as it is; asking again gives the same. `code` is stable, `hint` says what to do. */
export class InvalidRequestError extends Error {
  readonly code: string;
  readonly status: number;
  readonly hint: string;

  constructor(message: string, code: string, status: number, hint: string) {
    super(message);
    this.name = "InvalidRequestError";
    this.code = code;
    this.status = status;
    this.hint = hint;
  }
}

/** Memory did not answer, or not in a way that is understood: ask again later, or go on without it. */
export class MemoryUnavailableError extends Error {
  override readonly name = "MemoryUnavailableError";
}

/** Return headers with the token that the HTTP API takes. */
export const bearer = (token: () => Promise<string> | string): Headers => async () => ({ authorization: `Bearer ${await token()}` });

/** Every method throws InvalidRequestError, or MemoryUnavailableError after the last attempt. */
export class MemoryClient {
  readonly #base: string;
  readonly #options: Required<Options>;

  /** `url`: of the HTTP API or the function; a token is sent to https, and to http on this machine only. */
  constructor(url: string, options: Options) {
    const parsed = new URL(url);
    if (parsed.protocol !== "https:" && !(parsed.protocol === "http:" && LOOPBACK.has(parsed.hostname))) {
      throw new TypeError("the URL of memory must start with https:// (http:// is for this machine only)");
    }
    this.#base = `${parsed.origin}${parsed.pathname.replace(/\/+$/, "")}`;
    this.#options = { attempts: 3, timeoutMs: 10_000, pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)), ...options };
  }

  /** Return the memories that fit `query` best. */
  search(query: string, asked: Omit<SearchRequest, "query"> = {}): Promise<SearchAnswer> {
    return this.#ask("POST", `${MEMORY_PATH}/search`, { ...asked, query });
  }

  /** Return text to remind an agent with; show it as data, outside the system prompt. */
  context(asked: ContextRequest = {}): Promise<ContextAnswer> {
    return this.#ask("POST", `${MEMORY_PATH}/context`, asked);
  }

  /** Return past conversations that bear on a session, or on what `messages` say. */
  related(asked: RelatedRequest): Promise<RelatedAnswer> {
    return this.#ask("POST", `${MEMORY_PATH}/related`, asked);
  }

  /** Return the long-term memory and the newest day's notes. */
  notes(): Promise<NotesAnswer> {
    return this.#ask("GET", MEMORY_PATH);
  }

  /** Wish that everything of the user, or of one session, be forgotten up to now; it is done a moment later. */
  forget(sessionKey?: string): Promise<ForgetAnswer> {
    const query = sessionKey === undefined ? "" : `?session_key=${encodeURIComponent(sessionKey)}`;
    return this.#ask("DELETE", `${MEMORY_PATH}${query}`);
  }

  /** Return what became of a forget request. */
  forgetting(id: string): Promise<StatusAnswer> {
    return this.#ask("GET", `${MEMORY_PATH}/status/${encodeURIComponent(id)}`);
  }

  /** Return if the store answers. */
  health(): Promise<HealthAnswer> {
    return this.#ask("GET", "/api/v1/health");
  }

  async #ask<Answer>(method: string, path: string, asked?: object): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return (await this.#once(method, path, asked)) as Answer;
      } catch (error) {
        if (!(error instanceof MemoryUnavailableError) || attempt >= this.#options.attempts) throw error;
      }
      await this.#options.pause(Math.random() * Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt));
    }
  }

  async #once(method: string, path: string, asked?: object): Promise<unknown> {
    const url = `${this.#base}${path}`;
    const body = asked === undefined ? "" : JSON.stringify(asked);
    const headers = { "content-type": "application/json", ...(await this.#options.headers({ method, url, body })) };
    const { status, answer } = await this.#send(url, { method, headers, ...(body && { body }) });
    if (typeof answer !== "object" || answer === null || Array.isArray(answer)) {
      throw new MemoryUnavailableError(`memory answered ${status} without an object`);
    }
    if (status >= 200 && status < 400) return answer;
    // An HTTP API refuses with {message}, the function's URL with {Message}.
    const told = answer as Record<string, unknown>;
    const error = String(told.error ?? told.message ?? told.Message ?? status);
    if (PASSING.has(status)) throw new MemoryUnavailableError(`memory answered ${status}: ${error}`);
    throw new InvalidRequestError(error, String(told.code ?? status), status, String(told.hint ?? "correct the request"));
  }

  async #send(url: string, init: RequestInit): Promise<{ status: number; answer: unknown }> {
    try {
      const response = await fetch(url, { ...init, redirect: "error", signal: AbortSignal.timeout(this.#options.timeoutMs) });
      return { status: response.status, answer: await response.json() };
    } catch (error) {
      const reason = error instanceof SyntaxError ? "it did not answer with JSON" : (error as Error).name;
      throw new MemoryUnavailableError(`memory was not reached: ${reason}`);
    }
  }
}
