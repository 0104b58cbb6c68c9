/** Whose turn it is at something scarce: at most `free` at a time, at most `maxWaiting` in line, everybody else is told so at once. */
export class Turns {
  private readonly line: (() => void)[] = [];

  constructor(
    private free: number,
    private readonly maxWaiting: number,
  ) {}

  /** False when the line is full. */
  async take(): Promise<boolean> {
    if (this.free > 0) {
      this.free -= 1;
      return true;
    }
    if (this.line.length >= this.maxWaiting) return false;
    await new Promise<void>((resolve) => this.line.push(resolve));
    return true;
  }

  giveBack(): void {
    const next = this.line.shift();
    if (next === undefined) this.free += 1;
    else next();
  }
}
