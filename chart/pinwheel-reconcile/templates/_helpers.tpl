{{- define "pinwheel-reconcile.airflowRelease" -}}
{{- .Values.airflowRelease | default .Release.Name -}}
{{- end -}}

{{/* As the request has it for a release called "airflow": airflow-db-reconcile. */}}
{{- define "pinwheel-reconcile.name" -}}
{{- printf "%s-db-reconcile" (include "pinwheel-reconcile.airflowRelease" . | trunc 50 | trimSuffix "-") -}}
{{- end -}}

{{- define "pinwheel-reconcile.labels" -}}
tier: airflow
component: db-reconcile
release: {{ include "pinwheel-reconcile.airflowRelease" . }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.migrateDatabaseJob.downgrade.labels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
Before helm upgrade and before helm rollback; in Argo CD, which knows neither, before the sync. Argo CD reads its own annotations where
they are there, object by object, and Helm does not know them.
"weight" orders within the phase; "delete" is the policy in Helm's words.
*/}}
{{- define "pinwheel-reconcile.hook" -}}
helm.sh/hook: pre-upgrade,pre-rollback
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: {{ .delete }}
argocd.argoproj.io/hook: PreSync
argocd.argoproj.io/sync-wave: {{ .weight | quote }}
argocd.argoproj.io/hook-delete-policy: {{ .delete | replace "before-hook-creation" "BeforeHookCreation" | replace "hook-succeeded" "HookSucceeded" | replace "hook-failed" "HookFailed" }}
{{- end -}}

{{- define "pinwheel-reconcile.image" -}}
{{- $image := .Values.images.airflow -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default .Values.airflowVersion | required "images.airflow.tag or airflowVersion must name the image that is being deployed") -}}
{{- end -}}
{{- end -}}

{{/* The role comes with the strategy that needs it, and only once downgrades are allowed. */}}
{{- define "pinwheel-reconcile.needsRole" -}}
{{- if and .Values.migrateDatabaseJob.allowDowngrade (eq .Values.migrateDatabaseJob.downgrade.strategy "exec") -}}true{{- end -}}
{{- end -}}

{{- define "pinwheel-reconcile.serviceAccountName" -}}
{{- if include "pinwheel-reconcile.needsRole" . -}}
{{- include "pinwheel-reconcile.name" . -}}
{{- else -}}
{{- .Values.migrateDatabaseJob.downgrade.serviceAccountName | default "default" -}}
{{- end -}}
{{- end -}}
