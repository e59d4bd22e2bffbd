// ONNX Runtime's matrix products (npm onnxruntime-node). Speaks the protocol of contestant.h. The ONNX model is written by hand below, since
// it is one operator. Run in a folder whose node_modules has onnxruntime-node.
//   bnb4nf4      MatMulBnb4, NF4, blocks of 64
//   nbits4-128   MatMulNBits, 4 bits, blocks of 128, int8 arithmetic      nbits4-32  the same, blocks of 32
//   nbits8       MatMulNBits, 8 bits, blocks of 32, int8 arithmetic
//   dynq         DynamicQuantizeMatMul, one scale per output, x quantized to u8
//   f32          MatMul
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const require = createRequire(process.cwd() + '/');
const ort = require('onnxruntime-node');
const version = JSON.parse(readFileSync(require.resolve('onnxruntime-node/package.json'))).version;

const options = { type: '', shape: '4096x4096', m: '1', threads: '1', 'rotate-mib': '1024' };
for (let i = 2; i + 1 < process.argv.length; i += 2) options[process.argv[i].slice(2)] = process.argv[i + 1];
const [rows, columns] = options.shape.split('x').map(Number);
const m = Number(options.m), threads = Number(options.threads), poolRows = 64;

// ---- numbers: the same as contestant.h makes

function noise(n, seed) {
  const values = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
    values[i] = seed / 2147483648;
  }
  return values;
}

const pool = noise(poolRows * columns, 12345), x = noise(m * columns, 54321);

function relativeError(y) {
  let difference = 0, norm = 0;
  for (let n = 0; n < poolRows; n++) {
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += pool[n * columns + k] * x[k];
    difference += (sum - y[n]) ** 2;
    norm += sum ** 2;
  }
  return Math.sqrt(difference / norm);
}

// ---- protocol buffers, as far as one ONNX operator needs them

function varint(value) {
  const bytes = [];
  let n = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(n & 127n);
    n >>= 7n;
    bytes.push(n ? low | 128 : low);
  } while (n);
  return Buffer.from(bytes);
}
const integer = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);
const bytes = (field, value) => {
  const data = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([varint((field << 3) | 2), varint(data.length), data]);
};
const attribute = (name, value) => bytes(5, Buffer.concat([bytes(1, name), integer(3, value), integer(20, 2)]));
const node = (operator, inputs, outputs, domain, attributes = {}) =>
  bytes(1, Buffer.concat([...inputs.map((i) => bytes(1, i)), ...outputs.map((o) => bytes(2, o)), bytes(4, operator),
    ...Object.entries(attributes).map(([name, value]) => attribute(name, value)), ...(domain ? [bytes(7, domain)] : [])]));
const FLOAT = 1, UINT8 = 2, INT8 = 3;
const tensor = (name, type, dimensions, data) =>
  bytes(5, Buffer.concat([...dimensions.map((d) => integer(1, d)), integer(2, type), bytes(8, name), bytes(9, data)]));
const value = (field, name, dimensions) =>
  bytes(field, Buffer.concat([bytes(1, name),
    bytes(2, bytes(1, Buffer.concat([integer(1, FLOAT), bytes(2, Buffer.concat(dimensions.map((d) => bytes(1, integer(1, d)))))])))]));
const model = (graph) =>
  Buffer.concat([integer(1, 8), bytes(8, Buffer.concat([bytes(1, ''), integer(2, 17)])),
    bytes(8, Buffer.concat([bytes(1, 'com.microsoft'), integer(2, 1)])), bytes(7, graph)]);

// ---- weights of each operator: [tensors, node] number i

const raw = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

// A copy that differs from all others in its last bytes, since ONNX Runtime may hold equal tensors once.
function distinct(data, i) {
  const copy = Buffer.from(data);
  copy[copy.length - 1 - (i % 16)] ^= 1 + (i >> 4);
  return copy;
}

// The pool's rows one after another until all rows are there.
function repeatRows(poolData) {
  const result = new poolData.constructor((poolData.length / poolRows) * rows);
  for (let at = 0; at < result.length; at += poolData.length) result.set(poolData.subarray(0, Math.min(poolData.length, result.length - at)), at);
  return result;
}

function largest(from, length) {
  let most = 0;
  for (let i = from; i < from + length; i++) most = Math.max(most, Math.abs(pool[i]));
  return most;
}

function matMulNBits(bits, block) {
  const middle = 1 << (bits - 1), perByte = 8 / bits;
  const codes = new Uint8Array(pool.length / perByte), scales = new Float32Array(pool.length / block);
  for (let b = 0; b < scales.length; b++) {
    scales[b] = largest(b * block, block) / (middle - 1);
    for (let i = b * block; i < (b + 1) * block; i++)
      codes[Math.floor(i / perByte)] |= (Math.round(pool[i] / scales[b]) + middle) << (bits * (i % perByte));
  }
  const b = raw(repeatRows(codes)), s = raw(repeatRows(scales));
  return (i) => [[tensor('B' + i, UINT8, [rows, columns / block, block / perByte], distinct(b, i)), tensor('S' + i, FLOAT, [(rows * columns) / block], s)],
    node('MatMulNBits', ['A', 'B' + i, 'S' + i], ['Y' + i], 'com.microsoft',
      { K: columns, N: rows, bits, block_size: block, accuracy_level: 4 })];
}

function matMulBnb4() {
  const codebook = [-1, -0.6961928, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.09105004, 0, 0.0795803, 0.1609302, 0.2461123,
    0.33791524, 0.44070983, 0.562617, 0.72295684, 1];
  const codes = new Uint8Array(pool.length / 2), absmax = new Float32Array(pool.length / 64);
  for (let b = 0; b < absmax.length; b++) {
    absmax[b] = largest(b * 64, 64);
    for (let i = b * 64; i < (b + 1) * 64; i++) {
      let best = 0;
      for (let c = 1; c < 16; c++) if (Math.abs(codebook[c] - pool[i] / absmax[b]) < Math.abs(codebook[best] - pool[i] / absmax[b])) best = c;
      codes[i >> 1] |= best << (i % 2 ? 0 : 4);
    }
  }
  const b = raw(repeatRows(codes)), s = raw(repeatRows(absmax));
  return (i) => [[tensor('B' + i, UINT8, [(rows * columns) / 2], distinct(b, i)), tensor('S' + i, FLOAT, [(rows * columns) / 64], s)],
    node('MatMulBnb4', ['A', 'B' + i, 'S' + i], ['Y' + i], 'com.microsoft', { K: columns, N: rows, block_size: 64, quant_type: 1 })];
}

// W transposed: [columns, rows].
function transposed(Type, element) {
  const result = new Type(columns * rows);
  for (let k = 0; k < columns; k++) for (let n = 0; n < rows; n++) result[k * rows + n] = element(n % poolRows, k);
  return result;
}

function dynamicQuantizeMatMul() {
  const scales = new Float32Array(rows);
  for (let n = 0; n < rows; n++) scales[n] = n < poolRows ? largest(n * columns, columns) / 127 : scales[n % poolRows];
  const b = raw(transposed(Int8Array, (n, k) => Math.round(pool[n * columns + k] / scales[n]))), s = raw(scales);
  return (i) => [[tensor('B' + i, INT8, [columns, rows], distinct(b, i)), tensor('S' + i, FLOAT, [rows], s)],
    node('DynamicQuantizeMatMul', ['A', 'B' + i, 'S' + i], ['Y' + i], 'com.microsoft')];
}

function matMul() {
  const b = raw(transposed(Float32Array, (n, k) => pool[n * columns + k]));
  return (i) => [[tensor('B' + i, FLOAT, [columns, rows], distinct(b, i))], node('MatMul', ['A', 'B' + i], ['Y' + i])];
}

const operators = {
  bnb4nf4: () => ({ bits: 4 + 32 / 64, make: matMulBnb4() }),
  'nbits4-32': () => ({ bits: 4 + 32 / 32, make: matMulNBits(4, 32) }),
  'nbits4-128': () => ({ bits: 4 + 32 / 128, make: matMulNBits(4, 128) }),
  nbits8: () => ({ bits: 8 + 32 / 32, make: matMulNBits(8, 32) }),
  dynq: () => ({ bits: 8 + 32 / columns, make: dynamicQuantizeMatMul() }),
  f32: () => ({ bits: 32, make: matMul() }),
};

// ---- the run. One graph holds all matrices; a model file is limited to 2 GiB.

const operator = operators[options.type]();
const matrixBytes = (rows * columns * operator.bits) / 8;
// MatMulBnb4 is bound by arithmetic at thirty times what memory takes: a quarter of the walk shows the same.
const rotateBytes = Math.min(Number(options['rotate-mib']), options.type === 'bnb4nf4' ? 256 : 1024) * 2 ** 20;
const matrices = m <= 16 ? Math.ceil(rotateBytes / matrixBytes) : 1;
const tensors = [], nodes = [];
for (let i = 0; i < matrices; i++) {
  const [t, n] = operator.make(i);
  tensors.push(...t);
  nodes.push(n);
}
const outputs = [...Array(matrices).keys()].map((i) => 'Y' + i);
let file = model(Buffer.concat([...nodes, bytes(2, 'product'), ...tensors, value(11, 'A', [m, columns]), ...outputs.map((o) => value(12, o, [m, rows]))]));
tensors.length = 0;
const session = await ort.InferenceSession.create(file, { intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: 'sequential' });
file = null;
const feeds = { A: new ort.Tensor('float32', x, [m, columns]) };
const y = (await session.run(feeds, ['Y0'])).Y0.data;
await session.run(feeds);
const ready = { version: 'ONNX Runtime ' + version, detail: 'cpu', bytes: matrixBytes, error: relativeError(y) };
console.log(JSON.stringify(ready));

for await (const _ of createInterface({ input: process.stdin })) {
  const start = process.hrtime.bigint(), cpu = process.cpuUsage();
  await session.run(feeds);
  const used = process.cpuUsage(cpu), wall = Number(process.hrtime.bigint() - start) * 1e-9;
  console.log(JSON.stringify({ wall: wall / matrices, cpu: ((used.user + used.system) * 1e-6) / matrices / threads }));
}
