/** How a login delivers its credentials: in cookies that scripts cannot read, or as tokens in the memory of the page. */
export type Delivery = "cookie" | "token-cookies" | "tokens";

export interface ClientOptions {
  /** URL of the endpoints, such as `https://auth.example.com/auth/`. Default: the folder that served this module. */
  url?: string | URL;
  /** Default: the first delivery that the server allows. */
  deliver?: Delivery;
  /** Other origins whose requests get credentials, besides those of the endpoints and of the page. */
  origins?: Iterable<string | URL>;
}

export interface LoginOptions {
  /** Name of the application, in the list of sessions. */
  client_id?: string;
  /** Scopes to ask for, separated by spaces. */
  scope?: string;
  /** Audiences of the access tokens (RFC 8707). */
  resource?: string | string[];
}

export interface Login {
  subject: string;
  sid: string;
  /** End of the session in any case, in seconds since 1970. */
  session_expires_at: number;
  expires_in?: number;
  token_type?: string;
  scope?: string;
  csrf_token?: string;
}

export interface Session {
  subject: string;
  sid: string;
  client_id: string;
  credential: string;
  auth_time: number;
  credential_expires_at: number;
  acr: string;
  amr: string[];
  scope: string;
}

export interface Receipt {
  revoked: boolean;
  /** Position of the revocation in the feed. */
  sequence: number;
  /** Seconds until the last copy of the revoked credentials is refused everywhere. */
  within_seconds: number;
}

/** A refusal of the server, or an answer that did not arrive. */
export class KeyturnError extends Error {
  constructor(status: number, problem: { code?: string; hint?: string; reason?: string }, retryAfter: number | null);
  /** HTTP status; 0 if no answer arrived. */
  readonly status: number;
  /** Code of the server's list of errors, `network_error`, or `unknown`. */
  readonly code: string;
  readonly hint: string;
  /** Seconds to wait, from the `Retry-After` header of a 429 or 503. */
  readonly retryAfter: number | null;
  /** Why a new password was rejected. */
  readonly reason?: string;
  /** True if the session has ended. False for a 503, a lost connection and a wrong password. */
  readonly isLoggedOut: boolean;
}

/** Every method rejects with a `KeyturnError`. */
export interface Client {
  signup(email: string, password: string, options?: LoginOptions): Promise<Login>;
  login(email: string, password: string, options?: LoginOptions): Promise<Login>;
  /** Return the principal, or null if nobody is logged in. */
  session(): Promise<Session | null>;
  /** Confirm the password, for routes that ask for recent authentication. */
  stepUp(password: string): Promise<Login>;
  /** Change the password and end every other session. */
  changePassword(currentPassword: string, newPassword: string): Promise<Login>;
  /** End this session. Null: it had ended already. */
  logout(): Promise<Receipt | null>;
  /** End every session of the user but this one. */
  logoutOthers(): Promise<Receipt>;
  /** End every session of the user. Null: this session had ended already, and the others were left alone. */
  logoutAll(): Promise<Receipt | null>;
  /**
   * As the global `fetch`, with credentials for the trusted origins. An expired access token is refreshed once over all
   * tabs, and the request is sent again. Rejects with a `KeyturnError` if the refresh fails.
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
}

export function createClient(options?: ClientOptions): Client;
