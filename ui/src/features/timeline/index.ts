export { TimelineView } from "src/features/timeline/TimelineView";
