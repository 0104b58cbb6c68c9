/** What of several members' answers cannot be put together; the text is for the caller. */
export class Unmergeable extends Error {}
