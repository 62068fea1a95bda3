// Loss and accuracy, or pixel error, over the epochs.

import { svg } from './dom.js';

const WIDE = 560;
const HIGH = 200;
const EDGE = 34;

function path(rows, name, x, y) {
  return rows.filter((row) => row[name] !== undefined).map((row, i) => `${i ? 'L' : 'M'}${x(row.epoch).toFixed(1)} ${y(row[name]).toFixed(1)}`).join('');
}

export function curves(rows, epochs) {
  const metric = rows.some((row) => row.error_px !== undefined) ? 'error_px' : 'accuracy';
  const last = Math.max(epochs || 1, ...rows.map((row) => row.epoch));
  const x = (epoch) => EDGE + (WIDE - 2 * EDGE) * (last > 1 ? (epoch - 1) / (last - 1) : 0.5);
  const scale = (name, top) => (value) => HIGH - 22 - (HIGH - 34) * Math.min(1, value / top);
  const highest = (name) => Math.max(...rows.map((row) => row[name]).filter((v) => v !== undefined), 1e-6);
  const topLoss = highest('loss');
  const topMetric = metric === 'accuracy' ? 1 : highest('error_px');
  const y = scale('loss', topLoss);
  const z = scale(metric, topMetric);
  const node = svg('svg', { class: 'curves', viewBox: `0 0 ${WIDE} ${HIGH}`, role: 'img', 'aria-label': 'Loss and accuracy' });
  const say = (words, at, high, anchor = 'start') => {
    const text = svg('text', { x: at, y: high, 'text-anchor': anchor });
    text.textContent = words;
    return text;
  };
  const short = (value) => (value >= 10 ? value.toFixed(0) : value.toFixed(2));
  node.append(svg('line', { class: 'axis', x1: EDGE, x2: WIDE - EDGE, y1: HIGH - 22, y2: HIGH - 22 }),
    say(short(topLoss), 2, 16), say('0', 2, HIGH - 22), say(metric === 'accuracy' ? '100 %' : `${short(topMetric)} px`, WIDE - 2, 16, 'end'),
    say('0', WIDE - 2, HIGH - 22, 'end'), say('epoch 1', EDGE, HIGH - 6), say(String(last), WIDE - EDGE, HIGH - 6, 'end'),
    svg('path', { class: 'loss', d: path(rows, 'loss', x, y) }), svg('path', { class: 'metric', d: path(rows, metric, x, z) }));
  if (rows.length) {
    const row = rows[rows.length - 1];
    node.append(svg('circle', { cx: x(row.epoch), cy: y(row.loss), r: 3, fill: 'var(--second)' }));
    if (row[metric] !== undefined) node.append(svg('circle', { cx: x(row.epoch), cy: z(row[metric]), r: 3, fill: 'var(--accent)' }));
  }
  return { node, metric };
}
