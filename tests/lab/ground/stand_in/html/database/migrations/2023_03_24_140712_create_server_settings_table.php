<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Schema;

return new class extends Migration
{
    public function up(): void
    {
        Schema::create('server_settings', function (Blueprint $table) {
            $table->id();
            $table->boolean('is_build_server')->default(false);
            $table->boolean('is_reachable')->default(false);
            $table->boolean('is_usable')->default(false);
            $table->string('wildcard_domain')->nullable();
            $table->foreignId('server_id');
            $table->timestamps();
        });
    }
};
