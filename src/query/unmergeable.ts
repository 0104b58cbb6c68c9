/** What of several members' answers cannot be put together; the text is for the caller. */
export class Unmergeable extends Error {}

/** Sums of native histograms and numbers: what of them is nothing, only those know who have seen all that is summed. */
export class MixedSum extends Unmergeable {}
