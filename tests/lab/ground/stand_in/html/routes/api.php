<?php

use App\Models\Server;
use Illuminate\Support\Facades\Crypt;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Route;

Route::get('/health', fn () => 'OK');
Route::prefix('v1')->group(function () {
    Route::get('/health', fn () => 'OK');
    Route::middleware('api')->group(function () {
        Route::get('/version', fn () => response(config('constants.coolify.version')));
        Route::get('/servers', fn () => Server::orderBy('id')->get(['uuid', 'name', 'ip', 'user', 'port', 'description']));
        Route::get('/servers/{uuid}', function (string $uuid) {
            $server = Server::where('uuid', $uuid)->firstOrFail();

            return ['uuid' => $uuid, 'name' => $server->name, 'ip' => $server->ip, 'validation_logs' => $server->validation_logs,
                'settings' => DB::table('server_settings')->where('server_id', $server->id)->first(['is_reachable', 'is_usable'])];
        });
        Route::get('/deployments', fn () => DB::table('application_deployment_queues')
            ->whereIn('status', ['queued', 'in_progress'])->orderBy('id')->get(['deployment_uuid', 'status', 'application_id']));
        // Coolify connects over SSH with the key; what it needs of its own database for that is all that is done here
        Route::post('/servers/{uuid}/validate', function (string $uuid) {
            $server = Server::where('uuid', $uuid)->firstOrFail();
            $key = DB::table('private_keys')->where('id', $server->private_key_id)->value('private_key');
            try {
                $usable = str_starts_with(Crypt::decryptString($key), '-----BEGIN');
            } catch (Throwable $e) {
                $usable = false;
            }
            DB::table('server_settings')->where('server_id', $server->id)->update(['is_reachable' => $usable, 'is_usable' => $usable]);

            return response()->json(['message' => 'Validation started.'], 201);
        });
    });
});
Route::any('/{any}', fn () => response()->json(['message' => 'Not found.', 'docs' => 'https://coolify.io/docs'], 404))->where('any', '.*');
