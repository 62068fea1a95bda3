// Talks with the studio.

function remembered(name, make) {
  try {
    const known = localStorage.getItem(name);
    if (known) return known;
    const made = make();
    localStorage.setItem(name, made);
    return made;
  } catch (error) {
    return make(); // a browser that keeps nothing is a new one each time
  }
}

// each browser undoes its own changes, also after the page was opened again
const client = remembered('edge_vision_client',
  () => Array.from(crypto.getRandomValues(new Uint8Array(9)), (n) => n.toString(36)).join(''));

async function ask(path, given = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...given, headers: { 'X-Client': client, ...given.headers } });
  } catch (error) {
    throw new Error('no connection to the studio; it is tried again');
  }
  const said = await answer.text();
  let value = null;
  try {
    value = JSON.parse(said);
  } catch (error) {
    throw new Error(said.slice(0, 200) || `the studio answers ${answer.status}`);
  }
  if (!answer.ok) throw new Error(value.message || said);
  return value;
}

export const get = (path) => ask(path);
export const drop = (path) => ask(path, { method: 'DELETE' });
export const post = (path, wish) => ask(path, {
  method: 'POST', body: JSON.stringify(wish), headers: { 'Content-Type': 'application/json' },
});
export const send = (path, body) => ask(path, { method: 'POST', body });

export const query = (fields) => new URLSearchParams(
  Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)).toString();
export const projectPath = (name) => `/api/projects/${encodeURIComponent(name)}`;
export const pictureUrl = (project, set, file, width) => `${projectPath(project)}/picture?${query({ set, file, width })}`;
