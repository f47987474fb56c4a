// Reads bzip2. 45 bytes can decompress to 900 kB, so a reader must be able to stop. The npm packages that can have not been maintained for
// years, hence our own code.

/** The output would be larger than allowed. */
export class TooMuchOutput extends Error {}

/**
 * Decompresses bzip2 data of one or more streams. Never holds more than `maxSize` and one block (900 kB) in memory.
 * @throws TooMuchOutput, and RangeError when the data is damaged (checksums are verified).
 */
export function decompressBzip2(data: Uint8Array, maxSize: number): Uint8Array {
  const bits = new BitReader(data);
  const output = new Output(maxSize);
  let block: Uint32Array = noBlock;
  for (let streams = 1; ; streams++) {
    if (streams > maxStreams) throw damaged(`more than ${maxStreams} streams`);
    block = readStream(bits, output, block);
    bits.alignToByte();
    if (!bits.more()) return output.bytes();
  }
}

/** Most streams in one text. Python writes one; parallel compressors write one for each part. An empty stream has 14 bytes. */
const maxStreams = 100;
const noBlock = new Uint32Array(0);

/** Reads one stream. Returns its block buffer for the next stream: `spare`, if that was large enough. */
function readStream(bits: BitReader, output: Output, spare: Uint32Array): Uint32Array {
  if (bits.read(24) !== 0x425a68) throw damaged('no bzip2 header');
  const level = bits.read(8) - 0x30;
  if (level < 1 || level > 9) throw damaged('a level that does not exist');
  const size = level * 100_000;
  const memory = spare.length >= size ? spare : new Uint32Array(size);
  const block = memory.subarray(0, size);
  let combined = 0;
  for (;;) {
    const high = bits.read(24);
    const low = bits.read(24);
    const checksum = bits.read(32) >>> 0;
    if (high === 0x177245 && low === 0x385090) {
      if (checksum !== combined) throw damaged('the checksum of the stream differs');
      return memory;
    }
    if (high !== 0x314159 || low !== 0x265359) throw damaged('no block where one should be');
    if (readBlock(bits, block, output) !== checksum) throw damaged('the checksum of a block differs');
    combined = (((combined << 1) | (combined >>> 31)) ^ checksum) >>> 0;
  }
}

/** Reads one block and returns the checksum of its output. */
function readBlock(bits: BitReader, block: Uint32Array, output: Output): number {
  if (bits.read(1) === 1) throw damaged('randomised blocks are not read');
  const origin = bits.read(24);
  const symbols = readSymbolMap(bits);
  if (symbols.length === 0) throw damaged('no symbols');
  const length = readMoveToFront(bits, symbols, block);
  if (origin >= length) throw damaged('the origin lies outside the block');
  return writeBlock(block, length, origin, output);
}

function readSymbolMap(bits: BitReader): number[] {
  const symbols: number[] = [];
  const groups = bits.read(16);
  for (let group = 0; group < 16; group++) {
    if ((groups & (0x8000 >> group)) === 0) continue;
    const members = bits.read(16);
    for (let member = 0; member < 16; member++) {
      if ((members & (0x8000 >> member)) !== 0) symbols.push(group * 16 + member);
    }
  }
  return symbols;
}

/** Undoes Huffman coding, move-to-front and the runs of zeros; fills `block` and returns its length. */
function readMoveToFront(bits: BitReader, symbols: number[], block: Uint32Array): number {
  const alphabet = symbols.length + 2;
  const tableCount = bits.read(3);
  if (tableCount < 2 || tableCount > 6) throw damaged('a wrong number of tables');
  const selectors = readSelectors(bits, tableCount);
  const tables = Array.from({ length: tableCount }, () => readTable(bits, alphabet));
  const order = symbols.slice();
  const endOfBlock = alphabet - 1;
  let length = 0;
  let run = 0;
  let runWeight = 1;
  const repeat = (count: number): void => {
    if (count > block.length - length) throw damaged('a block longer than its size');
    block.fill(order[0] ?? 0, length, length + count);
    length += count;
  };
  for (let group = 0; ; group++) {
    const table = tables[selectors[group] ?? -1];
    if (table === undefined) throw damaged('too few selectors');
    for (let index = 0; index < 50; index++) {
      const symbol = table.read(bits);
      if (symbol <= 1) {
        // A run's length is written in bijective base 2: RUNA is 1, RUNB 2, each worth twice the one before.
        run += runWeight << symbol;
        runWeight <<= 1;
        if (run > block.length) throw damaged('a run longer than a block');
        continue;
      }
      if (run > 0) {
        repeat(run);
        run = 0;
        runWeight = 1;
      }
      if (symbol === endOfBlock) return length;
      const [byte = 0] = order.splice(symbol - 1, 1);
      order.unshift(byte);
      repeat(1);
    }
  }
}

function readSelectors(bits: BitReader, tableCount: number): Uint8Array {
  const count = bits.read(15);
  if (count === 0) throw damaged('no selectors');
  const order = [0, 1, 2, 3, 4, 5].slice(0, tableCount);
  const selectors = new Uint8Array(count);
  for (let index = 0; index < count; index++) {
    let position = 0;
    while (bits.read(1) === 1) {
      if (++position >= tableCount) throw damaged('a selector out of range');
    }
    const [table = 0] = order.splice(position, 1);
    order.unshift(table);
    selectors[index] = table;
  }
  return selectors;
}

function readTable(bits: BitReader, alphabet: number): HuffmanTable {
  const lengths = new Uint8Array(alphabet);
  let length = bits.read(5);
  for (let symbol = 0; symbol < alphabet; symbol++) {
    for (;;) {
      if (length < 1 || length > 20) throw damaged('a code length out of range');
      if (bits.read(1) === 0) break;
      length += bits.read(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  return new HuffmanTable(lengths);
}

/** Undoes the Burrows-Wheeler transform and the first run-length coding. */
function writeBlock(block: Uint32Array, length: number, origin: number, output: Output): number {
  const starts = new Uint32Array(257);
  for (let index = 0; index < length; index++) {
    const next = ((block[index] ?? 0) & 0xff) + 1;
    starts[next] = (starts[next] ?? 0) + 1;
  }
  for (let byte = 1; byte <= 256; byte++) starts[byte] = (starts[byte] ?? 0) + (starts[byte - 1] ?? 0);
  // The upper 24 bits of each entry become the index of the byte that follows it.
  for (let index = 0; index < length; index++) {
    const byte = (block[index] ?? 0) & 0xff;
    const to = starts[byte] ?? 0;
    starts[byte] = to + 1;
    block[to] = (block[to] ?? 0) | (index << 8);
  }
  let checksum = 0xffff_ffff;
  let position = (block[origin] ?? 0) >>> 8;
  let previous = -1;
  let same = 0;
  for (let index = 0; index < length; index++) {
    const entry = block[position] ?? 0;
    const byte = entry & 0xff;
    position = entry >>> 8;
    if (same === 4) {
      // Four equal bytes are followed by the number of further repetitions.
      checksum = output.write(previous, byte, checksum);
      same = 0;
      previous = -1;
      continue;
    }
    same = byte === previous ? same + 1 : 1;
    previous = byte;
    checksum = output.write(byte, 1, checksum);
  }
  return ~checksum >>> 0;
}

class HuffmanTable {
  readonly #symbols: Uint16Array;
  /** For each code length: the largest code, and the offset from a code to its symbol's index. */
  readonly #limits = new Int32Array(22).fill(-1);
  readonly #offsets = new Int32Array(22);

  constructor(lengths: Uint8Array) {
    this.#symbols = new Uint16Array(lengths.length);
    let index = 0;
    let code = 0;
    for (let length = 1; length <= 20; length++) {
      const first = index;
      for (let symbol = 0; symbol < lengths.length; symbol++) {
        if (lengths[symbol] === length) this.#symbols[index++] = symbol;
      }
      this.#offsets[length] = first - code;
      code += index - first;
      if (index > first) this.#limits[length] = code - 1;
      code <<= 1;
    }
  }

  read(bits: BitReader): number {
    let code = 0;
    for (let length = 1; length <= 20; length++) {
      code = (code << 1) | bits.read(1);
      if (code <= (this.#limits[length] ?? -1)) {
        const symbol = this.#symbols[code + (this.#offsets[length] ?? 0)];
        if (symbol !== undefined) return symbol;
      }
    }
    throw damaged('a code that does not exist');
  }
}

class BitReader {
  readonly #data: Uint8Array;
  #at = 0;
  #bit = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  /** The next `count` bits (up to 32), the first bit as the highest. */
  read(count: number): number {
    let value = 0;
    for (let left = count; left > 0; ) {
      const byte = this.#data[this.#at];
      if (byte === undefined) throw damaged('it ends too early');
      const taken = Math.min(left, 8 - this.#bit);
      value = (value << taken) | ((byte >> (8 - this.#bit - taken)) & ((1 << taken) - 1));
      this.#bit += taken;
      left -= taken;
      if (this.#bit === 8) {
        this.#bit = 0;
        this.#at++;
      }
    }
    return value;
  }

  alignToByte(): void {
    if (this.#bit > 0) {
      this.#bit = 0;
      this.#at++;
    }
  }

  more(): boolean {
    return this.#at < this.#data.length;
  }
}

class Output {
  readonly #maxSize: number;
  #bytes: Uint8Array;
  #length = 0;

  constructor(maxSize: number) {
    this.#maxSize = maxSize;
    this.#bytes = new Uint8Array(Math.min(maxSize, 65_536));
  }

  /** Writes a byte `count` times and returns the updated checksum. */
  write(byte: number, count: number, checksum: number): number {
    const end = this.#length + count;
    if (end > this.#maxSize) throw new TooMuchOutput();
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.min(this.#maxSize, Math.max(end, this.#bytes.length * 2)));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.fill(byte, this.#length, end);
    this.#length = end;
    let sum = checksum;
    for (let index = 0; index < count; index++) sum = (sum << 8) ^ (crcTable[(sum >>> 24) ^ byte] ?? 0);
    return sum;
  }

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** CRC-32 with the highest bit first, as in bzip2. */
const crcTable: Int32Array = Int32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte << 24;
  for (let bit = 0; bit < 8; bit++) sum = sum < 0 ? (sum << 1) ^ 0x04c1_1db7 : sum << 1;
  return sum;
});

function damaged(what: string): RangeError {
  return new RangeError(`damaged bzip2 data: ${what}`);
}
