// Why something was refused, in words; the keys are the engine's.

const WORDS: Record<string, string> = {
  secret: "wrong secret",
  auth_timeout: "no secret in time",
  message_length: "impossible message length",
  message_timeout: "message not finished in time",
  cookie: "not a log segment",
  version: "unknown segment version",
  segment: "damaged segment",
  limit: "over a limit",
  cut: "connection cut inside a message",
};

export function causeInWords(cause: string): string {
  return WORDS[cause] ?? cause.replaceAll("_", " ");
}
