export { FailureBar, hasFailed } from "src/features/version/FailureBar";
export { RunBindings } from "src/features/version/RunBindings";
export { TaskTries } from "src/features/version/TaskTries";
export { TryLog } from "src/features/version/TryLog";
export { VersionCode } from "src/features/version/VersionCode";
export { VersionGraph } from "src/features/version/VersionGraph";
