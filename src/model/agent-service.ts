/**
 * A server at a site that the gateway itself uses: a backend of queries, a receiver of exports or pushes. It is no target: nobody scrapes it,
 * nobody discovers it, and which one is used stands in the gateway's own configuration.
 */
export interface AgentService {
  /** An agent, or a site with several. */
  readonly agent: string;
  /** As the agent's own file calls it. */
  readonly service: string;
}

/** A server that the gateway uses: it dials it, or it stands behind an agent; then its URL leads nowhere but through the agent's tunnel. */
export interface PerhapsBehind {
  readonly agent?: AgentService | undefined;
}
