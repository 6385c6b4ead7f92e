/** Reports as tables for people. */

/** @param {Record<string, any>} report @returns {string} */
export function format(report) {
  return [
    ...TABLES[report.bench](report),
    ...fallbackLines(report),
    ...besideLines(report),
    ...peerLines(report),
  ].join('\n');
}

const TABLES = { gemm, ops, 'train-step': trainStep, decode, learn, load, memory };

const number = (value, digits = 1) => value.toFixed(digits);
const megabytes = (bytes) => `${number(bytes / 1e6, 0)} MB`;
const percent = (share) => `${number(100 * share, 0)} %`;

/** Columns padded to their widest cell, the first to the left, the others to the right. */
function columns(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => String(row[i]).length)));
  const pad = (cell, i) => (i === 0 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i]));
  return rows.map((row) => row.map(pad).join('  ').trimEnd());
}

function gemm({ square: { side, gflops }, precision, results = [] }) {
  return [
    `${side} x ${side} x ${side}, ${precision}: ${number(gflops)} GFLOP/s`,
    ...results.flatMap(productLines),
  ];
}

function productLines({ isa, shapes }) {
  return columns([
    [isa, 'size', 'GFLOP/s', 'roof', 'share'],
    ...shapes.map(({ name, batch, m, n, k, transA, transB, gflops, roof, share }) => [
      name,
      `${batch > 1 ? `${batch} x ` : ''}${m} x ${n} x ${k} ${transA ? 't' : 'n'}${transB ? 't' : 'n'}`,
      number(gflops),
      number(roof),
      percent(share),
    ]),
  ]);
}

/** One column of microseconds, and beside the tensorflow engine one of native-cpu. */
function ops({ nativeCpu, ...measured }) {
  const rows = opsRows(measured);
  if (!nativeCpu) return columns(rows);
  const beside = opsRows(nativeCpu);
  return columns(rows.map((row, i) => [...row, i === 0 ? 'us on native-cpu' : beside[i][1]]));
}

function opsRows({ operations, fused, medianUs, largestUs, tape }) {
  return [
    ['tiny tensors', 'us'],
    ...[...operations, ...fused].map(({ name, us }) => [name, number(us, 2)]),
    ['median', number(medianUs, 2)],
    ['largest', number(largestUs, 2)],
    [`tape of ${tape.operations}`, `${number(tape.ms)} ms`],
  ];
}

function trainStep({ features, ms, samplesPerSecond, phases, flops, gflops, memory, ...report }) {
  const { floor, kernels, precision, verified } = report;
  const share = (part) => [`${number(part)} ms`, percent(part / ms)];
  return [
    `${features} features, ${precision}${report.recompute ? `, ${report.recompute === true ? '' : `${report.recompute} `}recomputation` : ''}: ${number(ms)} ms a step, ${number(samplesPerSecond, 2)} samples/s`,
    ...columns([
      ...Object.entries(phases).map(([name, part]) => [name, ...share(part)]),
      ['work', `${number(flops.total / 1e9)} GFLOP`, `${number(gflops)} GFLOP/s`],
      ['floor', `${number(floor.ms)} ms`, `at ${number(floor.gflops)} GFLOP/s of a large product`],
      ['of the floor', number(floor.times, 2), ''],
      ['tape', `${report.tapeOperations} operations`, ''],
    ]),
    `memory: ${megabytes(memory.maxResident)} resident at most${memory.peak === undefined ? '' : `, engine ${megabytes(memory.peak)} at most, ${megabytes(memory.inUse)} between steps`}`,
    ...(verified
      ? [
          `loss ${verified.fusedLoss} fused, ${verified.composedLoss} composed: relative difference ${verified.lossDifference.toExponential(1)}, of the gradient norm ${verified.gradientNormDifference.toExponential(1)}`,
        ]
      : []),
    ...(kernels ? kernelLines(kernels) : []),
  ];
}

function kernelLines({ ms, native, javascript, functions }) {
  return columns([
    ['in the addon', 'calls', 'ms', 'share'],
    ...functions.map((each) => [each.name, number(each.calls, 0), number(each.ms, 2), percent(each.ms / ms)]),
    ['all', '', number(native, 2), percent(native / ms)],
    ['JavaScript', '', number(javascript, 2), percent(javascript / ms)],
  ]);
}

function load({ bytes, seconds, bytesPerSecond, precision }) {
  return [
    `${megabytes(bytes)} of bf16 weights, kept as ${precision}: ${number(seconds, 2)} s, ${number(bytesPerSecond / 1e9, 2)} GB/s from page cache`,
  ];
}

function decode({ rows, tokens, ms, encodeMs, msPerToken, tokensPerSecond, precision, memory, kernels }) {
  return [
    `${rows} rows, ${tokens} tokens, ${precision}: ${number(ms)} ms (encoder ${number(encodeMs)} ms, ${number(msPerToken, 2)} ms a token), ${number(tokensPerSecond, 0)} tokens/s`,
    ...(memory ? [`memory: engine ${megabytes(memory.peak)} at most`] : []),
    ...(kernels ? kernelLines(kernels) : []),
  ];
}

function learn({ features, precision, steps, ms, losses, ...report }) {
  return [
    `${features} features, ${precision}: ${steps} steps of ${number(ms)} ms, loss ${number(report.firstMean, 4)} over the first 5, ${number(report.lastMean, 4)} over the last 5`,
    ...columns([
      ['step', 'loss'],
      ['1', number(report.firstLoss, 4)],
      ...losses.map(({ step, loss }) => [step, number(loss, 4)]),
    ]),
  ];
}

function memory({ features, peaks, growth, peer }) {
  const row = (name, { maxResident, peak, inUse }, ratio) => [
    name,
    megabytes(maxResident),
    peak === undefined ? '' : megabytes(peak),
    inUse === undefined ? '' : megabytes(inUse),
    ratio === undefined ? '' : percent(ratio),
  ];
  return [
    ...columns([
      [
        `training step, ${features}`,
        'resident',
        'engine at most',
        'engine between',
        peer ? 'of the peer' : '',
      ],
      row('plain', peaks.plain, peer?.ratio),
      row('light recomputation', peaks.light, peer?.lightRatio),
      row('recomputation', peaks.recompute, peer?.recomputeRatio),
      ...(peer ? [peerRow(peer)] : []),
    ]),
    `growth: ${megabytes(growth.start)} after step ${growth.from}, ${megabytes(growth.end)} after step ${growth.steps} (${number(growth.percent, 2)} %)`,
  ];
}

function peerRow({ name, maxResident, maxDevice }) {
  return [name, megabytes(maxResident), maxDevice === undefined ? '' : megabytes(maxDevice), '', ''];
}

/** Kernels that had no native code, which is a fault here. */
function fallbackLines({ fallbacks = {} }) {
  const names = Object.entries(fallbacks).map(([name, calls]) => `${name} (${calls})`);
  return names.length > 0 ? [`without native code, run by tfjs: ${names.join(', ')}`] : [];
}

/** What the tensorflow engine was measured beside. */
function besideLines({ calls, beside = {} }) {
  return [
    ...(calls
      ? [
          `${calls.operations} calls into TensorFlow at ${number(calls.overheadUs)} us before any computing: ${percent(calls.share)} of a step`,
        ]
      : []),
    ...Object.values(beside).map(
      ({ name, ms, ratio }) =>
        `${name}: ${number(ms)} ms, ${number(ratio.median, 2)} of ours (median of ${ratio.n} rounds, ${number(ratio.min, 2)} to ${number(ratio.max, 2)})`,
    ),
  ];
}

/** The comparison that both timed benches have. */
function peerLines({ peer }) {
  if (!peer?.ratio?.median) return [];
  const { name, ms, ratio } = peer;
  return [
    `${name}: ${number(ms)} ms; ours is ${number(ratio.median, 2)} times as fast (median of ${ratio.n} pairs, ${number(ratio.min, 2)} to ${number(ratio.max, 2)})`,
  ];
}
