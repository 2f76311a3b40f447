export type {
  ActorRef,
  Behaviour,
  Down,
  Exit,
  Handlers,
  Monitor,
  Refusal,
  Running,
  Self,
  StopOptions,
} from './behaviour.ts';
export { refuse, refuseExpected } from './behaviour.ts';
export {
  type DynamicSupervisor,
  type DynamicSupervisorOptions,
  dynamicSupervisor,
} from './dynamic-supervisor.ts';
export { type ExitReason, isAbnormal } from './exit.ts';
export type { Address, Asks, CallOptions, Message, MessageOf, ReplyTo } from './message.ts';
export type { ActorInfo, ActorTotals } from './observer.ts';
export type { RestartKind, RestartLimit } from './restarts.ts';
export type { ActorEnvironment } from './runtime.ts';
export {
  type ActorName,
  actorName,
  type HandleOf,
  named,
  type Spec,
  worker,
  type WorkerSpec,
} from './spec.ts';
export {
  type ChildOf,
  type ChildOptions,
  type Strategy,
  type Supervisor,
  supervisor,
  type SupervisorOptions,
} from './supervisor.ts';
export { ActorSystem, type DrainReport } from './system.ts';
