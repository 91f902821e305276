export { Events } from "src/features/events/Events";
