/** The labels by which people and the injector speak to each other. */

/** Name of the service, and the tag: labels of a pod. */
export const SERVICE_LABEL = 'lane.dev/service';
export const TAG_LABEL = 'lane.dev/tag';
/** The same in MSE's words. */
export const MSE_SERVICE_LABEL = 'msePilotCreateAppName';
export const MSE_TAG_LABEL = 'alicloud.service.tag';
