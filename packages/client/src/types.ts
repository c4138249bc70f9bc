/** The shapes of the contract (openapi.yaml), by name. */
import type { components } from "./generated/openapi.js";

type Schemas = components["schemas"];
export type AuthConfig = Schemas["AuthConfig"];
export type AuthResponse = Schemas["AuthResponse"];
export type ContainerConfig = Schemas["ContainerConfig"];
export type ContainerCreateRequest = Schemas["ContainerCreateRequest"];
export type ContainerCreateResponse = Schemas["ContainerCreateResponse"];
export type ContainerInspect = Schemas["ContainerInspect"];
export type ContainerStats = Schemas["ContainerStats"];
export type ContainerSummary = Schemas["ContainerSummary"];
export type ContainerTopResponse = Schemas["ContainerTopResponse"];
export type ContainerUpdateRequest = Schemas["ContainerUpdateRequest"];
export type ContainerUpdateResponse = Schemas["ContainerUpdateResponse"];
export type ContainerWaitResponse = Schemas["ContainerWaitResponse"];
export type BuildPruneReport = Schemas["BuildPruneReport"];
export type ContainersPruneReport = Schemas["ContainersPruneReport"];
export type DiskUsage = Schemas["DiskUsage"];
export type EventMessage = Schemas["EventMessage"];
export type ExecConfig = Schemas["ExecConfig"];
export type ExecInspect = Schemas["ExecInspect"];
export type FilesystemChange = Schemas["FilesystemChange"];
export type GraphUsage = Schemas["GraphUsage"];
export type GraphWhy = Schemas["GraphWhy"];
export type GcPlan = Schemas["GcPlan"];
export type GcPolicies = Schemas["GcPolicies"];
export type GcRestored = Schemas["GcRestored"];
export type GcRun = Schemas["GcRun"];
export type HistoryEntry = Schemas["HistoryEntry"];
export type HostConfig = Schemas["HostConfig"];
export type ImageDeleteItem = Schemas["ImageDeleteItem"];
export type ImageInspect = Schemas["ImageInspect"];
export type ImageSummary = Schemas["ImageSummary"];
export type ImagesPruneReport = Schemas["ImagesPruneReport"];
export type Layer = Schemas["Layer"];
export type CheckLine = Schemas["CheckLine"];
export type CheckFinding = Schemas["CheckFinding"];
export type CheckReport = Schemas["CheckReport"];
export type Network = Schemas["Network"];
export type NetworkConnectRequest = Schemas["NetworkConnectRequest"];
export type NetworkCreateRequest = Schemas["NetworkCreateRequest"];
export type NetworkCreateResponse = Schemas["NetworkCreateResponse"];
export type NetworksPruneReport = Schemas["NetworksPruneReport"];
export type ProgressLine = Schemas["ProgressLine"];
export type SearchResult = Schemas["SearchResult"];
export type SystemInfo = Schemas["SystemInfo"];
export type SystemVersion = Schemas["SystemVersion"];
export type Volume = Schemas["Volume"];
export type VolumeCreateRequest = Schemas["VolumeCreateRequest"];
export type VolumeUpdateRequest = Schemas["VolumeUpdateRequest"];
export type VolumeList = Schemas["VolumeList"];
export type VolumesPruneReport = Schemas["VolumesPruneReport"];

/** What every call takes. */
export interface CallSignal {
  /** Ends the request; the promise or the stream rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}
