// Elements without a framework: h('p', { class: 'soft' }, 'text', child).

export const by = (id) => document.getElementById(id);

export function h(tag, given = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (typeof value === 'boolean') node[name] = value;
    else if (name === 'value') node.value = value;
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((one) => one !== null && one !== undefined && one !== false));
  return node;
}

export function svg(tag, given = {}, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(given)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Tells whether what a node shows is other than the last time; a node that is made anew under
// the pointer would lose the click.
export function changed(node, what) {
  const key = JSON.stringify(what);
  if (node.dataset.shown === key) return false;
  node.dataset.shown = key;
  return true;
}

// A list whose select keeps its choice while it is shown anew.
export function options(select, rows, chosen) {
  if (changed(select, rows)) select.replaceChildren(...rows.map(([value, text, off]) => h('option', { value, disabled: !!off }, text)));
  const values = rows.filter((row) => !row[2]).map((row) => row[0]);
  select.value = values.includes(chosen) ? chosen : values[0] ?? '';
}

export const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;
export const percent = (share) => `${(100 * share).toFixed(share > 0.995 && share < 1 ? 1 : 0)} %`;
export const megabytes = (bytes) => (bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

export function seconds(value) {
  if (value === null || value === undefined) return '';
  if (value < 90) return `${Math.max(1, Math.round(value))} s`;
  return `${Math.round(value / 60)} min`;
}

export function score(figures) {
  if (!figures) return '';
  if (figures.accuracy !== undefined) return percent(figures.accuracy);
  if (figures.error_px !== undefined) return `${figures.error_px.toFixed(1)} px`;
  return '';
}
