// How does a page talk to the server? Questions as fetches, deeds as events; what goes wrong is said in a sentence.

const json = { "content-type": "application/json" };

async function asked(path, options) {
  const answer = await fetch(path, options);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail ?? `${path} answered ${answer.status}`);
  return body;
}

export const get = (path, query = {}) => {
  const said = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  return asked(said.length ? `${path}?${new URLSearchParams(said)}` : path);
};

export const post = (path, body) => asked(path, { method: "POST", headers: json, body: JSON.stringify(body) });

/** Say something that only who has the key may say. */
export const send = (path, body, key) =>
  asked(path, { method: "POST", headers: { ...json, authorization: `Bearer ${key}` }, body: JSON.stringify(body) });

export const path = (id) => encodeURIComponent(id);

/** Tell what the user did. `of`: the card's recommendation and place, so that the click is credited to it. */
export async function tell(user, action, of = {}) {
  if (!user) return null;
  const event = { user_id: user, action, event_id: crypto.randomUUID?.() ?? `web-${Date.now()}-${Math.random()}`, ...of };
  return post("/v1/events", event);
}

export async function metrics() {
  const answer = await fetch("/metrics");
  if (!answer.ok) throw new Error(`/metrics answered ${answer.status}`);
  return answer.text();
}
