/** The types of the REST API's bodies and answers, by name. */
import type { components } from "src/api/schema";

export type Schemas = components["schemas"];
