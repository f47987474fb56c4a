// Texts that many tasks have in common, held once: names of tasks, workers and queues, and states.

/** Numbers in place of texts. A text is dropped with its last use. */
export class SharedTexts {
  readonly #texts: string[] = [];
  readonly #uses: number[] = [];
  readonly #numbers = new Map<string, number>();
  /** Numbers of dropped texts. */
  readonly #free: number[] = [];
  #bytes = 0;

  /** The approximate size of the texts, bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The number of the text, with one use more. */
  use(text: string): number {
    const known = this.#numbers.get(text);
    const number = known ?? this.#free.pop() ?? this.#texts.length;
    if (known === undefined) {
      this.#texts[number] = text;
      this.#uses[number] = 0;
      this.#numbers.set(text, number);
      this.#bytes += 2 * text.length;
    }
    this.#uses[number] = (this.#uses[number] ?? 0) + 1;
    return number;
  }

  /** One use less. */
  release(number: number): void {
    const left = (this.#uses[number] ?? 0) - 1;
    this.#uses[number] = left;
    if (left > 0) return;
    const text = this.text(number);
    this.#numbers.delete(text);
    this.#texts[number] = '';
    this.#bytes -= 2 * text.length;
    this.#free.push(number);
  }

  text(number: number): string {
    return this.#texts[number] ?? '';
  }
}
