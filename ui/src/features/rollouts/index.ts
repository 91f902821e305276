export { OnItsWay } from "src/features/rollouts/OnItsWay";
export { Rollouts } from "src/features/rollouts/Rollouts";
export { WaitingCount } from "src/features/rollouts/WaitingCount";
