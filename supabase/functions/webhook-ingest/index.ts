// The public address of endpoints, https://<project>.supabase.co/functions/v1/webhook-ingest/<slug>, passed on to ingest,
// which runs elsewhere: the request byte for byte, since it is signed, and the answer as it comes back.
const HOP_BY_HOP = ["connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

function passedOn(headers: Headers): Headers {
  const kept = new Headers(headers);
  HOP_BY_HOP.forEach((name) => kept.delete(name));
  return kept;
}

Deno.serve(async (request) => {
  const { pathname, search } = new URL(request.url);
  const rest = pathname.replace(/^(\/functions\/v1)?\/webhook-ingest/, "");
  const url = `${Deno.env.get("INGEST_URL")?.replace(/\/+$/, "")}/functions/v1/webhook-ingest${rest}${search}`;
  const headers = passedOn(request.headers);
  headers.set("accept-encoding", "identity"); // fetch would unpack the answer
  try {
    const answer = await fetch(url, { method: request.method, headers, body: request.body, redirect: "manual" });
    return new Response(answer.body, { status: answer.status, headers: passedOn(answer.headers) });
  } catch (error) {
    console.error("ingest cannot be reached", error instanceof Error ? error.name : "");
    const words = "Something that this needs cannot be reached; try again";
    const content = { status: "error", error: words, code: "service_unavailable" };
    return Response.json(content, { status: 503, headers: { "retry-after": "5" } });
  }
});
