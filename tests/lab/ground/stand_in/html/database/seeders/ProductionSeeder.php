<?php

namespace Database\Seeders;

use App\Models\InstanceSettings;
use App\Models\PrivateKey;
use App\Models\Server;
use Illuminate\Database\Seeder;
use Illuminate\Support\Facades\DB;

/** What a new installation has: its settings, the root team, and this machine as server 0 with its key. */
class ProductionSeeder extends Seeder
{
    public function run(): void
    {
        DB::table('teams')->insertOrIgnore(['id' => 0, 'name' => 'Root Team', 'personal_team' => true, 'created_at' => now(), 'updated_at' => now()]);
        InstanceSettings::firstOrCreate(['id' => 0]);
        PrivateKey::firstOrCreate(['id' => 0], [
            'uuid' => 'ky0ky0ky0ky0ky0ky0ky0ky0',
            'name' => "localhost's key",
            'private_key' => "-----BEGIN OPENSSH PRIVATE KEY-----\nnot a key, but as long as it is encrypted nobody can tell\n-----END OPENSSH PRIVATE KEY-----\n",
            'team_id' => 0,
        ]);
        $server = Server::firstOrCreate(['id' => 0], [
            'uuid' => 'sv0sv0sv0sv0sv0sv0sv0sv0',
            'name' => 'localhost',
            'ip' => 'host.docker.internal',
            'team_id' => 0,
            'private_key_id' => 0,
        ]);
        DB::table('server_settings')->where('server_id', 0)->exists()
            || DB::table('server_settings')->insert(['server_id' => 0, 'created_at' => now(), 'updated_at' => now()]);
        $this->keys();
    }

    /** Each start writes the files of all keys anew, out of the database (PopulateSshKeysDirectorySeeder). */
    private function keys(): void
    {
        try {
            $folder = storage_path('app/ssh/keys');
            array_map('unlink', glob("$folder/*"));
            foreach (PrivateKey::all() as $key) {
                touch("$folder/ssh_key@{$key->uuid}.lock");
                file_put_contents("$folder/ssh_key@{$key->uuid}", $key->private_key);
                chmod("$folder/ssh_key@{$key->uuid}", 0600);
            }
        } catch (\Throwable $e) {
            echo "Error: {$e->getMessage()}\n";
        }
    }
}
